package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// tokenPrefix names the format; it makes a token recognisable in a secret scan.
const tokenPrefix = "lwt1_"

// maxToken bounds the text of a token in bytes.
const maxToken = 4096

// Token is what a station needs for its first contact: where the aggregators
// are, which CA must stand behind them, and the right to ask.
type Token struct {
	URLs   []string // https://host:port of the agents' listeners
	CAPin  string   // SPKIHash of the CA
	Secret string   // 43 characters; only its hash is stored
}

// tokenBody is the JSON inside the text.
type tokenBody struct {
	URLs   []string `json:"u"`
	CAPin  string   `json:"p"`
	Secret string   `json:"s"`
}

// NewToken makes a token with a new secret.
func NewToken(urls []string, caPin string) Token {
	return Token{URLs: urls, CAPin: caPin, Secret: NewSecret()}
}

// NewSecret returns 256 random bits as 43 characters of base64url.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// SecretHash returns what is stored of a secret: 64 hex digits of SHA-256.
func SecretHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Hash returns SecretHash of the token's secret.
func (t Token) Hash() string { return SecretHash(t.Secret) }

// String hides the secret: tokens must not reach a log by accident.
func (t Token) String() string { return "token for " + strings.Join(t.URLs, ", ") }

// Encode returns the text that the administrator hands over: one word without
// characters that a shell or a mail would change, with a check sum.
func (t Token) Encode() string {
	body, err := json.Marshal(tokenBody(t))
	if err != nil {
		panic(err) // texts always have a JSON form
	}
	sum := sha256.Sum256(body)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(append(body, sum[:4]...))
}

// ParseToken reads the text of a token. Its errors say what to do and never
// contain the text.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) > maxToken {
		return Token{}, fmt.Errorf("this is no enrolment token: it must begin with %s", tokenPrefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(raw) < 5 {
		return Token{}, errors.New("the enrolment token is damaged: copy it whole")
	}
	body, check := raw[:len(raw)-4], raw[len(raw)-4:]
	if sum := sha256.Sum256(body); string(sum[:4]) != string(check) {
		return Token{}, errors.New("the enrolment token is damaged: copy it whole")
	}
	var b tokenBody
	if err := json.Unmarshal(body, &b); err != nil {
		return Token{}, errors.New("the enrolment token is damaged: copy it whole")
	}
	t := Token(b)
	return t, t.check()
}

func (t Token) check() error {
	if len(t.URLs) == 0 {
		return errors.New("the enrolment token names no aggregator")
	}
	for _, u := range t.URLs {
		if p, err := url.Parse(u); err != nil || p.Scheme != "https" || p.Host == "" {
			return fmt.Errorf("the enrolment token names %q, which is no https address", u)
		}
	}
	if len(t.CAPin) != 64 || t.Secret == "" {
		return errors.New("the enrolment token has no CA pin or no secret")
	}
	return nil
}
