package rights

import "slices"

// SetPerson stands for the sealed fields that belong to people; other field sets
// go by their names (see shared/seal).
const SetPerson = "person"

// every stands for all field sets.
const every = "*"

// opens lists which sealed fields a role may open, beside reading the events
// that hold them. Who is not named here opens nothing: the auditor verifies what
// was recorded without it, the administrator reads no events at all.
func opens(role string) []string {
	switch role {
	case "security":
		return []string{every}
	case "privacy":
		return []string{SetPerson, "personal"}
	case "quality":
		return []string{"product", "recipe"}
	case "maintenance":
		return []string{"unparsed", "product", "recipe"}
	}
	return nil
}

// MayOpen reports whether one of the roles opens the sealed fields of a set.
func (who Principal) MayOpen(set string) bool {
	return slices.ContainsFunc(who.Roles, func(role string) bool {
		list := opens(role)
		return slices.Contains(list, every) || slices.Contains(list, set)
	})
}

// MayOpenAll reports whether one of the roles opens every sealed field.
func (who Principal) MayOpenAll() bool { return who.MayOpen(every) }

// Opens lists the field sets that the roles open; * stands for all.
func (who Principal) Opens() []string {
	var list []string
	for _, role := range who.Roles {
		list = append(list, opens(role)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
