package event

import (
	"slices"
	"strings"
)

//go:generate go run ./gen

// CatalogueVersion is the version of the catalogue; it travels in metadata.catalogue.
const CatalogueVersion = "1"

// TypeInfo is one row of catalogue.csv.
type TypeInfo struct {
	Name         string   `json:"name"`
	Class        Class    `json:"class"`
	Severity     Severity `json:"severity"` // default; rules may raise it
	Category     string   `json:"category"`
	Required     []string `json:"required"`      // fields of event_data
	Row          bool     `json:"row"`           // false: evidence only, no row of the events table
	RequiredType bool     `json:"required_type"` // one of the 14 of the requirements
	CSF          []string `json:"csf"`           // NIST CSF 2.0
	IEC62443     []string `json:"iec62443"`      // IEC 62443-3-3 system requirements
	SR28         string   `json:"sr28"`          // group of SR 2.8
	Attack       []string `json:"attack"`        // ATT&CK for ICS techniques
	OCSFClass    int      `json:"ocsf_class"`    // 0 = none
	OCSFActivity int      `json:"ocsf_activity"`
	PII          int      `json:"pii"` // 0 none, 1 pseudonym, 2 identifies a person
	Note         string   `json:"note"`
}

// Lookup returns the type of this exact name. The slices inside are shared:
// callers must not change them.
func Lookup(name string) (TypeInfo, bool) { return lookup(name) }

// Types lists the catalogue by name. The caller owns the list, not the slices
// inside.
func Types() []TypeInfo { return slices.Clone(catalogue[:]) }

func lookup(name string) (TypeInfo, bool) {
	i, ok := slices.BinarySearchFunc(catalogue[:], name, func(t TypeInfo, name string) int {
		return strings.Compare(t.Name, name)
	})
	if !ok {
		return TypeInfo{}, false
	}
	return catalogue[i], true
}

// Defaults returns class and default severity of a type. Types that are not in
// the catalogue (x.<owner>.<name> of integrators, newer ones) are manufacturing
// and info.
func Defaults(name string) (Class, Severity) {
	if info, ok := lookup(name); ok {
		return info.Class, info.Severity
	}
	return Manufacturing, SeverityInfo
}

// IsRow reports whether events of this type are rows of the events table.
func IsRow(name string) bool {
	info, ok := lookup(name)
	return !ok || info.Row
}

// Known reports whether a type is in the catalogue or has the form that
// integrators may use, x.<owner>.<name>.
func Known(name string) bool {
	if _, ok := lookup(name); ok {
		return true
	}
	return ValidType(name) && strings.HasPrefix(name, "x.") && strings.Count(name, ".") >= 2
}

// Missing returns the required fields that event_data does not have, in the
// order of the catalogue. A field that is null is there: the source knows of it.
func Missing(info TypeInfo, data []byte) []string {
	if len(info.Required) == 0 {
		return nil
	}
	var some [16]bool
	found := some[:]
	if len(info.Required) > len(some) {
		found = make([]bool, len(info.Required))
	}
	s := scanner{b: data, limit: MaxDepth}
	o, done, err := s.open()
	for err == nil && !done {
		var key span
		if key, err = s.key(&o); err != nil {
			break
		}
		for i, field := range info.Required {
			found[i] = found[i] || string(s.name(key)) == field
		}
		if err = s.value(); err != nil {
			break
		}
		done, err = s.more(&o)
	}
	var out []string
	for i, field := range info.Required {
		if !found[i] {
			out = append(out, field)
		}
	}
	return out
}
