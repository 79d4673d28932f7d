// Package nearest finds the word that somebody meant when they mistyped it.
package nearest

import "strings"

// minBeginning is the least length of a beginning that stands for a whole word.
const minBeginning = 3

// To returns the candidate closest to word, or "" when none is close: at most
// two edits (a swap of neighbours is one), and fewer than half of the word; else
// the only candidate that begins with word (sev: severity).
func To(word string, candidates []string) string {
	best, found := 3, ""
	for _, c := range candidates {
		if d := distance(word, c); d < best && 2*d < max(len(word), len(c)) {
			best, found = d, c
		}
	}
	if found == "" && len(word) >= minBeginning {
		return beginning(word, candidates)
	}
	return found
}

// beginning returns the only candidate that begins with word, "" for none or several.
func beginning(word string, candidates []string) string {
	found := ""
	for _, c := range candidates {
		switch {
		case !strings.HasPrefix(c, word) || c == found:
		case found != "":
			return ""
		default:
			found = c
		}
	}
	return found
}

// distance is the restricted Damerau-Levenshtein distance in bytes; lengths that
// differ by more than two need no table.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 || len(a) > 64 {
		return 3
	}
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
