package opcua

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// parseBits reads the text file of a fault word: lines of bit,code,text and
// perhaps severity, separated by commas or semicolons; a first line that begins
// with "bit" is a heading, # begins a comment.
func parseBits(r io.Reader) (*source.Bits, error) {
	const maxFile = 1 << 20
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	in := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
	in.Comment, in.FieldsPerRecord, in.TrimLeadingSpace = '#', -1, true
	if first, _, _ := strings.Cut(string(text), "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		in.Comma = ';'
	}
	bits := &source.Bits{Texts: map[int]source.BitText{}}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if len(bits.Texts) == 0 && strings.EqualFold(strings.TrimSpace(record[0]), "bit") {
			continue
		}
		if err := addBit(bits, record); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(bits.Texts) == 0 {
		return nil, errors.New("no line with bit,code,text")
	}
	return bits, nil
}

func addBit(bits *source.Bits, record []string) error {
	if len(record) < 3 || len(record) > 4 {
		return fmt.Errorf("%d fields, expected bit,code,text or bit,code,text,severity", len(record))
	}
	for i := range record {
		record[i] = strings.TrimSpace(record[i])
	}
	bit, err := strconv.Atoi(record[0])
	if err != nil || bit < 0 || bit > 63 {
		return fmt.Errorf("bit %q: expected 0 to 63", record[0])
	}
	if _, twice := bits.Texts[bit]; twice {
		return fmt.Errorf("bit %d stands twice", bit)
	}
	text := source.BitText{Code: record[1], Text: record[2]}
	if len(record) == 4 && record[3] != "" {
		if _, err := event.ParseSeverity(record[3]); err != nil {
			return err
		}
		text.Severity = record[3]
	}
	bits.Texts[bit] = text
	return nil
}
