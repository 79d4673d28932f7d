package opcua

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// Certificate is what a person compares before trusting.
type Certificate struct {
	Subject        string
	Issuer         string
	ApplicationURI string
	SHA256         string // hex
	SHA1           string // hex, the thumbprint that OPC UA tools show
	NotBefore      time.Time
	NotAfter       time.Time
	Bits           int
	// Refusal says why the agent does not accept it now; "" = accepted.
	Refusal string

	der []byte
}

// Endpoint is one offer of a server. Nothing of it is authenticated.
type Endpoint struct {
	URL         string
	Policy      string // as in the configuration, or a URI that is not supported
	Mode        string
	Level       uint8    // the server's own estimate, 0 to 255
	Users       []string // anonymous, user name, certificate, token
	Server      string   // ApplicationURI
	Certificate *Certificate
}

// Endpoints lists what a server offers. Without a folder of certificates it says
// of none whether it is trusted.
func Endpoints(ctx context.Context, url string, opts Options) ([]Endpoint, error) {
	folder := opts.PKI
	opts = opts.withDefaults()
	var store *pki.Store
	var own pki.Own
	if folder != "" {
		var err error
		if store, own, err = identity(config.OPCUA{}, opts); err != nil {
			return nil, err
		}
	}
	offers, err := endpoints(ctx, url, own, opts.Sent)
	if err != nil {
		return nil, err
	}
	var out []Endpoint
	for _, o := range offers {
		e := Endpoint{URL: o.EndpointURL, Policy: policyName(o.SecurityPolicyURI), Mode: modeName(o.SecurityMode), Level: o.SecurityLevel}
		if o.Server != nil {
			e.Server = o.Server.ApplicationURI
		}
		for _, t := range o.UserIdentityTokens {
			if t != nil {
				e.Users = append(e.Users, tokenName(t.TokenType))
			}
		}
		e.Users = unique(e.Users)
		if len(o.ServerCertificate) > 0 {
			e.Certificate = showCertificate(store, o, opts.Now())
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b Endpoint) int { return int(b.Level) - int(a.Level) })
	return out, nil
}

func tokenName(t ua.UserTokenType) string {
	switch t {
	case ua.UserTokenTypeAnonymous:
		return "anonymous"
	case ua.UserTokenTypeUserName:
		return "user name"
	case ua.UserTokenTypeCertificate:
		return "certificate"
	}
	return "token"
}

func showCertificate(store *pki.Store, o *ua.EndpointDescription, now time.Time) *Certificate {
	leaf, err := pki.Leaf(o.ServerCertificate)
	if err != nil {
		return &Certificate{Refusal: err.Error()}
	}
	c := &Certificate{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), SHA256: pki.Fingerprint(leaf.Raw), SHA1: pki.Thumbprint(leaf.Raw),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, der: leaf.Raw, Bits: pki.Bits(leaf),
	}
	if len(leaf.URIs) > 0 {
		c.ApplicationURI = leaf.URIs[0].String()
	}
	if store == nil {
		c.Refusal = "not compared with the trusted ones: name their folder with --pki"
		return c
	}
	sec := policies()[policyName(o.SecurityPolicyURI)]
	expect := pki.Expect{MinBits: sec.minBits, MaxBits: sec.maxBits}
	if o.Server != nil {
		expect.ApplicationURI = o.Server.ApplicationURI
	}
	if _, _, err := store.Check(o.ServerCertificate, expect, now); err != nil {
		c.Refusal = err.Error()
	}
	return c
}

// Trust fetches the certificates that a server shows and puts those among the
// trusted ones for which accept says yes, after a person compared them. It returns
// the files written.
func Trust(ctx context.Context, url string, opts Options, accept func(Certificate) bool) ([]string, error) {
	found, err := Endpoints(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	store, err := pki.Open(opts.PKI)
	if err != nil {
		return nil, err
	}
	var files []string
	asked := map[string]bool{}
	for _, e := range found {
		if e.Certificate == nil || e.Certificate.der == nil || asked[e.Certificate.SHA256] {
			continue
		}
		asked[e.Certificate.SHA256] = true
		if !accept(*e.Certificate) {
			continue
		}
		file, err := store.Trust(e.Certificate.der)
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	if len(asked) == 0 {
		return nil, errors.New("the server shows no certificate: it offers no security at all")
	}
	return files, nil
}

// visit opens a session for a tool and closes it again.
func visit(ctx context.Context, cfg config.OPCUA, opts Options, use func(e *engine, ch *channel) error) error {
	e, err := New(cfg, opts).prepare()
	if err != nil {
		return err
	}
	if err := e.discover(ctx); err != nil {
		return e.explain(err)
	}
	ch, err := dial(ctx, dialConfig{endpoint: cfg.Endpoint, sec: e.plan.sec, own: e.own, pinned: e.pinned, sent: e.src.opts.Sent})
	if err != nil {
		return e.explain(err)
	}
	defer ch.close()
	if e.session, err = ch.createSession(ctx, cfg.Endpoint, "linewatch tool", time.Minute, e.who); err != nil {
		return e.explain(err)
	}
	defer func() { _ = ch.closeSession(context.WithoutCancel(ctx), true) }() // it ends by itself after a minute
	if err := ch.activate(ctx, e.session, e.who); err != nil {
		return e.explain(err)
	}
	if err := readServer(ctx, ch, e.session); err != nil {
		return err
	}
	if e.granted, err = readGranted(ctx, ch); err != nil {
		return err
	}
	e.subs = map[string]*subscription{}
	return use(e, ch)
}

// Report is what Check found.
type Report struct {
	Name     string
	Endpoint string
	Security string
	// Product and State are what the server says of itself.
	Product     string
	State       string
	ClockOffset time.Duration // of the server's clock to ours, half the way included
	Namespaces  []string
	Limits      ServerLimits
	Groups      []GroupReport
	// ServerCertificateDays and OwnCertificateDays are left; -1 without security.
	ServerCertificateDays int
	OwnCertificateDays    int
	// BareIndexes are nodes configured by namespace index, with the form that
	// still means the same after the server counts anew.
	BareIndexes map[string]string
	Warnings    []string
}

// Check connects as the agent would, makes the subscriptions for a moment, and
// tells what the server grants. It uses one session and frees it.
func Check(ctx context.Context, cfg config.OPCUA, opts Options) (Report, error) {
	report := Report{Name: cfg.Name, Endpoint: cfg.Endpoint, ServerCertificateDays: -1, BareIndexes: map[string]string{}}
	err := visit(ctx, cfg, opts, func(e *engine, ch *channel) error {
		report.Security = e.plan.sec.String()
		report.Namespaces, report.Limits = e.session.Namespaces, e.granted
		report.OwnCertificateDays = int(e.own.NotAfter.Sub(e.now()).Hours() / 24)
		if leaf, err := pki.Leaf(e.pinned); err == nil {
			report.ServerCertificateDays = int(leaf.NotAfter.Sub(e.now()).Hours() / 24)
		}
		if err := report.server(ctx, e, ch); err != nil {
			return err
		}
		for _, g := range e.plan.groups {
			sub := &subscription{group: g}
			if err := e.create(ctx, ch, sub); err != nil {
				return err
			}
			report.group(e, sub)
		}
		return nil
	})
	return report, err
}

// server reads what the server says of itself.
func (r *Report) server(ctx context.Context, e *engine, ch *channel) error {
	before := e.now()
	values, err := readValues(ctx, ch, []*ua.NodeID{ua.NewNumericNodeID(0, id.Server_ServerStatus)}, defaultPortion)
	if err != nil {
		return err
	}
	after := e.now()
	v := variantOf(values[0])
	if v == nil {
		r.Warnings = append(r.Warnings, "the server does not tell its status")
		return nil
	}
	x, ok := v.Value().(*ua.ExtensionObject)
	if !ok || x == nil {
		return nil
	}
	s, ok := x.Value.(*ua.ServerStatusDataType)
	if !ok || s == nil {
		return nil
	}
	r.State = stateName(s.State)
	if s.BuildInfo != nil {
		r.Product = strings.TrimSpace(s.BuildInfo.ManufacturerName + " " + s.BuildInfo.ProductName + " " + s.BuildInfo.SoftwareVersion)
	}
	r.ClockOffset = s.CurrentTime.Sub(before.Add(after.Sub(before) / 2))
	if r.ClockOffset.Abs() > 5*time.Second {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the server's clock differs by %s", r.ClockOffset.Round(time.Second)))
	}
	return nil
}

func (r *Report) group(e *engine, sub *subscription) {
	g := describe(sub, e.plan.cover)
	r.Groups = append(r.Groups, g)
	for _, w := range g.Warnings {
		r.Warnings = append(r.Warnings, "group "+g.Group+": "+w)
	}
	for _, f := range g.Failed {
		r.Warnings = append(r.Warnings, "group "+g.Group+": "+f)
	}
	for _, it := range sub.items {
		if it.node != nil && strings.HasPrefix(it.node.cfg.ID, "ns=") {
			r.BareIndexes[it.node.cfg.ID] = it.text()
		}
	}
}

// Watch hands over what a source would give, values and alarms, until ctx ends. It
// has a session of its own, which it frees in the end, and stores nothing.
func Watch(ctx context.Context, cfg config.OPCUA, opts Options, show func(source.Reading)) error {
	opts.Positions = nil
	cfg.CoverOutage = watchCover
	s := New(cfg, opts)
	s.brief = true
	return s.Run(ctx, watcher(show))
}

// watchCover is the outage that watching covers: what is left of it in a server
// when it is killed is gone a minute later.
const watchCover = 10 * time.Second

// watcher is a sink that only shows.
type watcher func(source.Reading)

// Take shows every reading.
func (w watcher) Take(_ context.Context, batch []source.Reading, _ source.Position) error {
	for _, r := range batch {
		w(r)
	}
	return nil
}
