package enrol

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/keystore"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// maxAnswer bounds what an aggregator may answer.
const maxAnswer = 1 << 20

// RefusedError is a final answer of the aggregator: asking again does not help.
type RefusedError struct {
	Status int
	Detail string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the aggregator refused (%d): %s", e.Status, e.Detail)
}

// Create makes a new identity in dataDir for the machine with the given facts;
// nothing is sent. An existing identity is an error.
func Create(dataDir, station, tokenText string, machine identity.Facts) (*Identity, error) {
	token, err := identity.ParseToken(strings.TrimSpace(tokenText))
	if err != nil {
		return nil, fmt.Errorf("enrol: the token: %w", err)
	}
	if _, err := Load(dataDir); !errors.Is(err, ErrNotEnrolled) {
		if err == nil {
			err = fmt.Errorf("%s holds an identity already; on a master disk run linewatch-agent prepare-image", folder(dataDir))
		}
		return nil, fmt.Errorf("enrol: %w", err)
	}
	if len(machine) < minAgree {
		return nil, fmt.Errorf("enrol: only %d facts of this machine can be read, %d are needed (SMBIOS UUID, disk serial, MAC, machine id): run as root or administrator", len(machine), minAgree)
	}
	return create(folder(dataDir), State{
		Station: station, Machine: machine, URLs: token.URLs, CAPin: token.CAPin,
		Token: token.Secret, Pending: true, Since: time.Now().UTC(),
	})
}

// Retry takes a new token and the station's present name for an agent that is not
// admitted yet: the token of the first try may be used up, expired or of another
// plant. The keys stay. tokenText "" keeps the token.
func (id *Identity) Retry(station, tokenText string) error {
	id.keys.Lock()
	defer id.keys.Unlock()
	if tokenText != "" {
		token, err := identity.ParseToken(strings.TrimSpace(tokenText))
		if err != nil {
			return fmt.Errorf("enrol: the token: %w", err)
		}
		id.URLs, id.CAPin, id.Token = token.URLs, token.CAPin, token.Secret
	}
	id.Station = station
	if err := id.save(); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return nil
}

// Again asks for admission anew, with a new token and under the same identity: for
// an aggregator that was restored from a backup older than the first enrolment.
func (id *Identity) Again(station, tokenText string) error {
	if strings.TrimSpace(tokenText) == "" {
		return errors.New("enrol: a new token is needed")
	}
	if err := id.renewTLSKey(); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	id.keys.Lock()
	id.Pending, id.Reason = true, "the aggregator does not know this agent any more"
	id.keys.Unlock()
	return id.Retry(station, tokenText)
}

func create(dir string, st State) (*Identity, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	key, err := identity.NewSigningKey()
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	tlsKey, err := identity.NewTLSKey()
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	st.AgentID = evidence.AgentID(key.Public().(ed25519.PublicKey))
	id := &Identity{dir: dir, State: st, logKey: key}
	for name, k := range map[string]crypto.Signer{logKeyName: key, tlsKeyName: tlsKey} {
		if err := keystore.Save(id.path(name), k); err != nil {
			return nil, fmt.Errorf("enrol: %w", err)
		}
	}
	// Last: agent.json makes the identity exist.
	if err := id.save(); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return id, nil
}

// Replace sets an identity that belongs to another machine (or to a copy of this
// disk) aside and makes a new one that names it as predecessor. The new one waits
// for approval; nothing is signed with the old key again.
func (id *Identity) Replace(dataDir string, machine identity.Facts, reason string) (*Identity, error) {
	// Made whole beside the old one: a full disk or a power cut must not leave the
	// station without any (see finish).
	dir := fresh(dataDir)
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	next, err := create(dir, State{
		Station: id.Station, Machine: machine, URLs: id.URLs, CAPin: id.CAPin, Scope: id.Scope,
		Cosigners: id.Cosigners, Token: id.Token, Pending: true, Reason: reason,
		Predecessor: id.AgentID, Follows: reason, Since: time.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	for name, mode := range map[string]os.FileMode{"ca.pem": 0o644, "pseudonyms.json": 0o600, fileSealing: 0o600, fileDestroyed: 0o600} {
		text, err := os.ReadFile(id.path(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = durable.WriteFile(next.path(name), text, mode)
		}
		if err != nil {
			return nil, fmt.Errorf("enrol: %w", err)
		}
	}
	aside, err := asideName(id.dir + ".replaced-" + id.AgentID)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	if err := durable.Rename(id.dir, aside); err != nil {
		return nil, fmt.Errorf("enrol: set the old identity aside: %w", err)
	}
	if err := finish(dataDir); err != nil {
		return nil, err
	}
	next.dir = folder(dataDir)
	next.urls, next.proxy = id.urls, id.proxy
	return next, nil
}

// asideName is the name, or the first with a number behind it that is free: a
// folder that was copied back may be set aside a second time.
func asideName(name string) (string, error) {
	for n := 1; ; n++ {
		free := name
		if n > 1 {
			free = fmt.Sprintf("%s-%d", name, n)
		}
		_, err := os.Lstat(free)
		if errors.Is(err, os.ErrNotExist) {
			return free, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// fresh is where a new identity is made that is to follow the present one.
func fresh(dataDir string) string { return folder(dataDir) + ".new" }

// finish puts a new identity in the place of one that was set aside.
func finish(dataDir string) error {
	if err := durable.Rename(fresh(dataDir), folder(dataDir)); err != nil {
		return fmt.Errorf("enrol: put the new identity in place: %w", err)
	}
	return nil
}

// Ask sends the request for admission once, to the first address that answers.
// It returns true when the agent is admitted, false while a person has to
// approve, *RefusedError for a final no, and any other error for trouble on the
// way.
func (id *Identity) Ask(ctx context.Context, version string) (bool, error) {
	csr, err := id.request()
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(csr)
	host, _ := os.Hostname()
	proof, err := id.LogKey().Sign(rand.Reader, []byte(wire.EnrolProofPrefix+hex.EncodeToString(sum[:])), crypto.Hash(0))
	if err != nil {
		return false, fmt.Errorf("enrol: %w", err)
	}
	req := wire.EnrolRequest{
		Token: id.Token, AgentID: id.AgentID, Station: id.Station,
		PublicKey:   base64.StdEncoding.EncodeToString(id.PublicKey()),
		LogKeyProof: base64.StdEncoding.EncodeToString(proof),
		CSR:         string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
		Machine:     id.Machine, Host: host, Version: version,
		Predecessor: id.Predecessor, Reason: id.Reason,
	}
	var res wire.EnrolResponse
	client, err := id.pinned()
	if err != nil {
		return false, err
	}
	if err := id.post(ctx, client, wire.PathEnrol, req, &res); err != nil {
		return false, fmt.Errorf("enrol: %w", err)
	}
	if res.Certificate == "" {
		id.keys.Lock()
		defer id.keys.Unlock()
		id.State.Reason = res.Reason
		return false, nil
	}
	if err := id.admit(res); err != nil {
		return false, fmt.Errorf("enrol: the answer could not be kept, it will be asked for again: %w", err)
	}
	return true, nil
}

func (id *Identity) request() ([]byte, error) {
	key, err := id.loadTLSKey()
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: id.AgentID}}, key)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return csr, nil
}

// admit stores what the aggregator gave, agent.json last.
func (id *Identity) admit(res wire.EnrolResponse) error {
	if res.CA != "" {
		if err := durable.WriteFile(filepath.Join(id.dir, "ca.pem"), []byte(res.CA), 0o644); err != nil {
			return err
		}
	}
	if err := durable.WriteFile(filepath.Join(id.dir, "tls.crt"), []byte(res.Certificate), 0o644); err != nil {
		return err
	}
	if len(res.Pseudonyms) > 0 {
		if err := id.SavePseudonyms(res.Pseudonyms); err != nil {
			return err
		}
	}
	if res.Sealing != "" {
		if err := id.SaveSealing(res.Sealing); err != nil {
			return err
		}
	}
	id.keys.Lock()
	defer id.keys.Unlock()
	before := id.State
	if len(res.URLs) > 0 {
		id.State.URLs = res.URLs
	}
	id.State.Scope, id.State.Cosigners = res.Scope, res.Cosigners
	id.State.Pending, id.State.Reason = false, ""
	if err := id.save(); err != nil {
		id.State = before
		return err
	}
	return nil
}

// Via sets how the aggregator is reached: addresses in place of those of the
// enrolment (none keeps them) and a proxy ("" for none). It is called before any
// request is sent.
func (id *Identity) Via(urls []string, proxy string) { id.urls, id.proxy = urls, proxy }

func (id *Identity) addresses() []string {
	if len(id.urls) > 0 {
		return id.urls
	}
	return id.URLs
}

// post sends one JSON request to the addresses in turn and reads the answer.
func (id *Identity) post(ctx context.Context, client *http.Client, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range id.addresses() {
		err := postOne(ctx, client, strings.TrimSuffix(u, "/")+path, text, into)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			return refused
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func postOne(ctx context.Context, client *http.Client, url string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	switch {
	case res.StatusCode == http.StatusOK, res.StatusCode == http.StatusAccepted:
		return json.Unmarshal(text, into)
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		return fmt.Errorf("%s answered %s", url, res.Status)
	}
	var p wire.Problem
	if json.Unmarshal(text, &p) != nil || p.Title == "" {
		p.Title = strings.TrimSpace(string(text))
	}
	if p.Detail != "" {
		p.Title += ": " + p.Detail
	}
	return &RefusedError{Status: res.StatusCode, Detail: p.Title}
}
