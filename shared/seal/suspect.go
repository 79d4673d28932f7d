package seal

import (
	"strings"
	"sync"
)

// maxSeen bounds the names that are remembered of one type.
const maxSeen = 2000

// seen remembers the names of fields that were looked at before, so that each is
// judged once.
type seen struct {
	mu    sync.RWMutex
	names map[string]bool
}

// first reports whether a name was not met before.
func (s *seen) first(name []byte) bool {
	s.mu.RLock()
	known := s.names[string(name)] || len(s.names) >= maxSeen
	s.mu.RUnlock()
	if known {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[string(name)] {
		return false
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[string(name)] = true
	return true
}

// suspicious tells whether a name that the policy does not have looks like
// something personal or secret. name is folded.
func suspicious(name string) bool {
	for _, part := range []string{
		"password", "passwort", "secret", "credential", "apikey", "token", "birth", "salary", "iban", "passport", "surname",
		"firstname", "lastname", "fullname", "personname", "employee", "worker", "mitarbeiter", "personal", "badge", "phone", "telefon", "email", "socialsecurity",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
