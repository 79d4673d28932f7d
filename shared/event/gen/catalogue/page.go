package catalogue

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// page writes the catalogue for people, a table for each category.
func page(rows []row) []byte {
	var b bytes.Buffer
	b.WriteString("# Event types\n\nMade from `shared/event/catalogue.csv` by `go generate ./shared/event`; do not edit. " +
		"What the columns mean is in [event.md](event.md#catalogue). Types in bold are the 14 of the requirements; " +
		"types in italics describe the log itself or sum up readings and are no rows of the events table.\n")
	fmt.Fprintf(&b, "\n%d types. Integrators use `x.<owner>.<name>`.\n", len(rows))
	byCategory := slices.Clone(rows)
	slices.SortStableFunc(byCategory, func(a, b row) int { return strings.Compare(a.Category, b.Category) })
	category := ""
	for _, r := range byCategory {
		if r.Category != category {
			category = r.Category
			fmt.Fprintf(&b, "\n## %s\n\n| type | class | severity | required fields | CSF 2.0 | 62443-3-3 | ATT&CK ICS | OCSF | note |\n|---|---|---|---|---|---|---|---|---|\n", category)
		}
		ocsf := ""
		if r.OCSFClass != 0 {
			ocsf = fmt.Sprintf("%d/%d", r.OCSFClass, r.OCSFActivity)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", emphasis(r), r.Class, r.Severity,
			strings.Join(r.Required, " "), strings.Join(r.CSF, " "), strings.ReplaceAll(strings.Join(r.IEC62443, ", "), "SR ", ""),
			strings.Join(r.Attack, " "), ocsf, strings.ReplaceAll(r.Note, "|", `\|`))
	}
	return b.Bytes()
}

func emphasis(r row) string {
	switch {
	case r.RequiredType:
		return "**" + r.Name + "**"
	case !r.Row:
		return "*" + r.Name + "*"
	}
	return r.Name
}
