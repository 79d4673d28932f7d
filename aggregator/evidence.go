package aggregator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/export"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/witness"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/identity"
	protocol "github.com/linewatch/linewatch/shared/witness"
)

// Files of the aggregator when it is itself a witness for others. The state must
// not be put back from a backup, see docs/witnesses.md.
const (
	fileWitness      = "witness.key"
	fileWitnessState = "witness.state"
)

// WitnessName is the key name of an aggregator's lines as a witness for others.
func WitnessName(instance string) string { return "linewatch/" + instance + "/witness" }

// openWitnesses prepares the asking of the configured witnesses.
func (a *Aggregator) openWitnesses() error {
	o := witness.Options{Store: a.Store, Ledger: a.Ledger, Agent: a.Ledger.Agent(), Cosigner: a.cosigner, Logger: a.log}
	for _, w := range a.Config.Witnesses {
		key, err := config.PublicKey(w.Key)
		if err != nil {
			return fmt.Errorf("witness %s: %w", w.Name, err)
		}
		client, err := witnessClient(a.Config.CAFile(w))
		if err != nil {
			return fmt.Errorf("witness %s: %w", w.Name, err)
		}
		o.Witnesses = append(o.Witnesses, &protocol.Client{HTTP: client, Prefix: w.URL, By: evidence.CosignerKey{Name: w.Name, Key: key}})
	}
	a.Witnesses = witness.New(o)
	return nil
}

func witnessClient(ca string) (*http.Client, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate (PEM)", ca)
		}
	}
	return &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: cfg, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// ownWitness is this aggregator as a witness for others; nil when it is none.
func (a *Aggregator) ownWitness() (http.Handler, error) {
	if len(a.Config.WitnessFor) == 0 {
		return nil, nil
	}
	keyFile, stateFile := a.witnessFiles()
	if err := protocol.Fresh(keyFile, stateFile); err != nil {
		return nil, err
	}
	key, err := identity.LoadOrNewSigningKey(keyFile)
	if err != nil {
		return nil, err
	}
	keys := map[string][]evidence.KeyRange{}
	for _, f := range a.Config.WitnessFor {
		pub, err := config.PublicKey(f.Key)
		if err != nil {
			return nil, fmt.Errorf("witness_for %s: %w", f.Instance, err)
		}
		keys[f.Instance] = append(keys[f.Instance], evidence.KeyRange{Key: pub})
	}
	return protocol.New(protocol.Options{
		Name: WitnessName(a.Config.Instance), Key: key, File: stateFile,
		Keys: protocol.Ledgers(keys),
	})
}

func (a *Aggregator) witnessFiles() (key, state string) {
	return filepath.Join(a.Config.DataDir, dirKeys, fileWitness), filepath.Join(a.Config.DataDir, dirKeys, fileWitnessState)
}

// asWitness is the line with which others trust this aggregator as their witness;
// "" when it is none, or did not run as one yet.
func (a *Aggregator) asWitness() string {
	file, _ := a.witnessFiles()
	key, err := signingKey(file)
	if err != nil || len(a.Config.WitnessFor) == 0 {
		return ""
	}
	return "witness " + WitnessName(a.Config.Instance) + " " + base64.StdEncoding.EncodeToString(publicOf(key))
}

// Exporter writes bundles out of the store.
func (a *Aggregator) Exporter() *export.Exporter {
	e := &export.Exporter{Store: a.Store, Cosigners: a.cosigners(true), Enrolment: true}
	for _, k := range a.witnessKeys() {
		e.Cosigners = append(e.Cosigners, k.CosignerKey)
	}
	if len(a.Config.Witnesses) > 0 {
		e.Witnessed = a.Witnesses.Witnessed
	}
	return e
}

// witnessKeys are the keys of the witnesses, those that they had before too.
func (a *Aggregator) witnessKeys() []bundle.Cosigner {
	keys, err := a.Config.WitnessKeys()
	if err != nil {
		a.log.Error("keys of the witnesses", "error", err) // the configuration was checked
	}
	return keys
}

// WriteTrust writes the trust file of this aggregator: the ledger's key, the
// witnesses, and the key of each admitted station. Whoever compared it with paper
// can anchor evidence with it. It does not pin the aggregator's cosignatures: with
// those alone a dishonest aggregator could invent a station.
func (a *Aggregator) WriteTrust(ctx context.Context, w io.Writer) error {
	agents, err := a.Store.Agents(ctx)
	if err != nil {
		return err
	}
	b64 := base64.StdEncoding.EncodeToString
	fmt.Fprintf(w, "# Linewatch trust file of %s, %s.\n# It is worth what the way is worth on which you got it: compare the fingerprints (SHA-256)\n# with those printed at enrolment (linewatch-aggregator agents sheet).\n", a.Config.Instance, time.Now().UTC().Format(time.RFC3339))
	fmt.Fprintf(w, "\n# the aggregator's own logs, fingerprint %s\nledger %s %s\n", evidence.Fingerprint(a.Ledger.Public()), a.Config.Instance, b64(a.Ledger.Public()))
	a.writeOlder(w)
	for _, k := range a.witnessKeys() {
		until := ""
		if !k.Until.IsZero() {
			until = " until " + k.Until.Format("2006-01-02T15:04:05Z")
		}
		fmt.Fprintf(w, "\n# fingerprint %s\nwitness %s %s%s\n", evidence.Fingerprint(k.Key), k.Name, b64(k.Key), until)
	}
	if n := len(a.Config.Witnesses); n > 0 {
		fmt.Fprintf(w, "quorum %d\n", n/2+1)
	}
	if line := a.asWitness(); line != "" {
		fmt.Fprintf(w, "\n# as a witness for others: %s\n", line)
	}
	for i := range agents {
		writeStation(w, &agents[i])
	}
	fmt.Fprintf(w, "\n# Take this aggregator's word for everything that it received, also for stations that it\n# might invent? Then take the # away.\n# cosigner %s %s\n", a.cosigner.Name, b64(a.cosigner.Key))
	a.writeOlderCosigners(w)
	return nil
}

// writeStation pins the keys of one admitted station; who waits for approval or
// was revoked is only mentioned.
func writeStation(w io.Writer, g *store.Agent) {
	if g.State == store.AgentPending {
		return
	}
	mark := ""
	fmt.Fprintf(w, "\n# %s on %s, %s, enrolled %s\n", short(g.Station), short(g.Host), g.State, g.Enrolled.UTC().Format(time.DateOnly))
	if g.State == store.AgentRevoked {
		mark = "# revoked: "
	}
	for _, k := range g.Keys {
		fmt.Fprintf(w, "# fingerprint %s\n%sstation %s %s\n", evidence.Fingerprint(k.Public), mark, g.ID, base64.StdEncoding.EncodeToString(k.Public))
	}
}

// short is foreign text as a line of the trust file can carry it.
func short(text string) string {
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	return bundle.Printable(text)
}

// evidenceOf hands the exporter to the API.
func (a *Aggregator) evidenceOf() api.Evidence {
	build := func(w io.Writer, enrolment bool, fill func(*export.Exporter, *bundle.Writer) error) error {
		e := a.Exporter()
		e.Enrolment = enrolment
		data, err := bundle.Build(func(b *bundle.Writer) error { return fill(e, b) })
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	return api.Evidence{
		Events: func(ctx context.Context, w io.Writer, enrolment bool, rows ...store.Row) error {
			return build(w, enrolment, func(e *export.Exporter, b *bundle.Writer) error {
				_, err := e.Events(ctx, b, rows...)
				return err
			})
		},
		Search: func(ctx context.Context, w io.Writer, enrolment bool, q store.EventQuery, limit int) (uint64, error) {
			var done export.Exported
			err := build(w, enrolment, func(e *export.Exporter, b *bundle.Writer) (err error) {
				done, err = e.Search(ctx, b, q, limit)
				return err
			})
			if errors.Is(err, export.ErrTooMuch) {
				err = fmt.Errorf("%w: %w", api.ErrTooMuch, err)
			}
			return done.Events, err
		},
		Trust: a.WriteTrust,
	}
}
