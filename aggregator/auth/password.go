package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/alexedwards/argon2id"

	"github.com/linewatch/linewatch/aggregator/rights"
)

const (
	// MinPassword is the shortest password taken, in characters.
	MinPassword = 12
	// maxHashing bounds the memory of comparisons: each takes 64 MiB.
	maxHashing = 2
	// hashWait is how long a sign-in waits for its turn.
	hashWait = 10 * time.Second
)

// HashPassword makes an argon2id hash with the parameters of RFC 9106's second
// recommendation (64 MiB, 3 passes).
func HashPassword(password string) (string, error) {
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64 * 1024, Iterations: 3, Parallelism: 2, SaltLength: 16, KeyLength: 32})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// CheckPassword says whether a new password is good enough, in words for a person.
func CheckPassword(name, password string) error {
	switch {
	case len([]rune(password)) < MinPassword:
		return fmt.Errorf("the password needs at least %d characters", MinPassword)
	case strings.Contains(strings.ToLower(password), strings.ToLower(name)):
		return errors.New("the password must not contain the name")
	case strings.Count(password, password[:1]) == len(password):
		return errors.New("the password is one character repeated")
	}
	return nil
}

// CheckName says whether a new user's name is good, in words for a person. Names
// stand in lists and logs, so nothing invisible may be in them.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > 100:
		return errors.New("a name has 1 to 100 bytes")
	case strings.TrimSpace(name) != name:
		return errors.New("the name begins or ends with a space")
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return errors.New("the name has characters that are not visible")
	}
	return nil
}

// compare hashes the password as hash says, when its turn has come.
func (a *Auth) compare(ctx context.Context, password, hash string) (bool, error) {
	wait := time.NewTimer(hashWait)
	defer wait.Stop()
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		return argon2id.ComparePasswordAndHash(password, hash)
	case <-wait.C:
		return false, rights.ErrSlow
	case <-ctx.Done():
		return false, rights.ErrSlow
	}
}
