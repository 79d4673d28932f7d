// Package catalogue turns catalogue.csv into Go and JSON. It is a package of its
// own so that a test can compare the files with what would be made today.
package catalogue

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"go/format"
	"slices"
	"strconv"
	"strings"
)

// row is one type in the order of the JSON that the web pages read.
type row struct {
	Name         string   `json:"name"`
	Class        string   `json:"class"`
	Severity     string   `json:"severity"`
	Category     string   `json:"category"`
	Required     []string `json:"required"`
	Row          bool     `json:"row"`
	RequiredType bool     `json:"required_type"`
	CSF          []string `json:"csf"`
	IEC62443     []string `json:"iec62443"`
	SR28         string   `json:"sr28"`
	Attack       []string `json:"attack"`
	OCSFClass    int      `json:"ocsf_class"`
	OCSFActivity int      `json:"ocsf_activity"`
	PII          int      `json:"pii"`
	Note         string   `json:"note"`
}

// Generate returns the content of the made files by their path from the folder
// of the catalogue.
func Generate(source []byte) (map[string][]byte, error) {
	rows, err := read(source)
	if err != nil {
		return nil, err
	}
	code, err := goFile(rows)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"types_gen.go":              code,
		"catalogue.json":            append(text, '\n'),
		"../../docs/event-types.md": page(rows),
	}, nil
}

func read(source []byte) ([]row, error) {
	records, err := csv.NewReader(bytes.NewReader(source)).ReadAll()
	if err != nil {
		return nil, err
	}
	columns := map[string]int{}
	for i, name := range records[0] {
		columns[name] = i
	}
	var rows []row
	for line, record := range records[1:] {
		r, err := readRow(func(name string) string { return record[columns[name]] })
		if err != nil {
			return nil, fmt.Errorf("line %d (%s): %w", line+2, record[0], err)
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(rows); i++ {
		if rows[i].Name == rows[i-1].Name {
			return nil, fmt.Errorf("type %s stands there twice", rows[i].Name)
		}
	}
	return rows, nil
}

func readRow(column func(string) string) (row, error) {
	r := row{
		Name:         column("type"),
		Class:        column("retention"),
		Severity:     column("severity"),
		Category:     column("category"),
		Required:     strings.Fields(column("required")),
		Row:          column("row") == "1",
		RequiredType: column("required_type") == "1",
		CSF:          strings.Fields(column("nist_csf")),
		SR28:         column("sr28"),
		Attack:       strings.Fields(column("attack_ics")),
		Note:         column("note"),
		IEC62443:     []string{},
	}
	for part := range strings.SplitSeq(column("iec62443"), ";") {
		if part = strings.TrimSpace(part); part != "" {
			r.IEC62443 = append(r.IEC62443, part)
		}
	}
	for name, into := range map[string]*int{"ocsf_class": &r.OCSFClass, "ocsf_activity": &r.OCSFActivity, "pii": &r.PII} {
		n, err := strconv.Atoi(column(name))
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
		*into = n
	}
	return r, nil
}

// constant returns the Go name of a type: user.login -> TypeUserLogin.
func constant(name string) string {
	var b strings.Builder
	b.WriteString("Type")
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '_' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func goFile(rows []row) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("// Code generated from catalogue.csv by shared/event/gen; DO NOT EDIT.\n\npackage event\n\n")
	b.WriteString("// The event types of the catalogue.\nconst (\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "\t%s = %q\n", constant(r.Name), r.Name)
	}
	b.WriteString(")\n\n// catalogue is the table of all types by name; nothing ever changes it.\nvar catalogue = [...]TypeInfo{\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "\t%s,\n", literal(r))
	}
	b.WriteString("}\n")
	return format.Source(b.Bytes())
}

// literal writes one type, leaving out what is zero.
func literal(r row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{Name: %s, Class: %s, Severity: %s, Category: %q", constant(r.Name),
		strings.ToUpper(r.Class[:1])+r.Class[1:], "Severity"+strings.ToUpper(r.Severity[:1])+r.Severity[1:], r.Category)
	list := func(name string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(&b, ", %s: %#v", name, values)
		}
	}
	list("Required", r.Required)
	fmt.Fprintf(&b, ", Row: %t", r.Row)
	if r.RequiredType {
		b.WriteString(", RequiredType: true")
	}
	list("CSF", r.CSF)
	list("IEC62443", r.IEC62443)
	fmt.Fprintf(&b, ", SR28: %q", r.SR28)
	list("Attack", r.Attack)
	fmt.Fprintf(&b, ", OCSFClass: %d, OCSFActivity: %d, PII: %d, Note: %q}", r.OCSFClass, r.OCSFActivity, r.PII, r.Note)
	return b.String()
}
