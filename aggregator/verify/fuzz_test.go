package verify

import (
	"bytes"
	"testing"

	"github.com/linewatch/linewatch/shared/evidence"
)

// FuzzOpenList: a list of checkpoints is read as it was written, or refused.
func FuzzOpenList(f *testing.F) {
	one := evidence.Checkpoint{Origin: "linewatch/a1/security/b2", Size: 7}.Body()
	f.Add(append(bytes.Clone(one), '\n'))
	f.Add(bytes.Repeat(append(bytes.Clone(one), '\n'), 3))
	f.Add(one)
	f.Add([]byte("\n\n\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, lines []byte) {
		_, list, err := openList(lines)
		if err != nil {
			return
		}
		var again []byte
		for _, c := range list {
			again = append(append(again, c.Body()...), '\n')
		}
		if !bytes.Equal(again, lines) {
			t.Fatalf("%q is read as %q", lines, again)
		}
	})
}
