package mqtt

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/linewatch/linewatch/shared/event"
)

const (
	connectLimit = 15 * time.Second
	keepAlive    = 20 * time.Second
	pingLimit    = 10 * time.Second
)

// noStore is the library's message store, which we do not need: nothing is ever
// published, and what was not acknowledged comes again from the broker.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}

// dialling are the settings of one connection.
type dialling struct {
	clientID string
	clean    bool
	number   uint32
	handle   func(*link, paho.Message)
}

// connect opens one connection with a fresh client and returns when the broker
// has accepted it; present tells that the broker still has the session. The
// handler runs before connect returns: a broker sends what it kept at once.
func (s *Source) connect(ctx context.Context, d dialling) (l *link, client paho.Client, present bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectLimit)
	defer cancel()
	password, err := s.password()
	if err != nil {
		return nil, nil, false, err
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, nil, false, err
	}
	l = newLink(conn, d.number, s.o.MaxMessage)
	o := paho.NewClientOptions().
		AddBroker(s.broker.String()).SetClientID(d.clientID).SetCleanSession(d.clean).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).
		SetAutoAckDisabled(true).SetOrderMatters(true).SetStore(noStore{}).
		SetConnectTimeout(connectLimit).SetKeepAlive(keepAlive).SetPingTimeout(pingLimit).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { d.handle(l, m) }).
		SetConnectionLostHandler(func(_ paho.Client, err error) { l.end(err) }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return l, nil })
	if s.cfg.Auth.User != "" {
		o.SetUsername(s.cfg.Auth.User).SetPassword(password)
	}
	client = paho.NewClient(o)
	token, ok := client.Connect().(*paho.ConnectToken)
	if !ok {
		return nil, nil, false, errors.New("the MQTT library changed its token")
	}
	select {
	case <-token.Done():
		err = token.Error()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		l.end(err)
		client.Disconnect(0)
		return nil, nil, false, fmt.Errorf("connect to %s: %w", s.broker.Host, err)
	}
	return l, client, token.SessionPresent(), nil
}

// dial opens the network connection, with TLS where the address asks for it.
func (s *Source) dial(ctx context.Context) (net.Conn, error) {
	conn, err := s.o.Dial(ctx, "tcp", s.broker.Host)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", s.broker.Host, err)
	}
	if s.broker.Scheme != "ssl" {
		return conn, nil
	}
	cfg, err := s.tlsConfig()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", s.broker.Host, err)
	}
	return secure, nil
}

func (s *Source) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{ServerName: s.broker.Hostname(), MinVersion: tls.VersionTLS12}
	if name := s.cfg.TLS.CA; name != "" {
		pem, err := os.ReadFile(s.file(name))
		if err != nil {
			return nil, fmt.Errorf("read tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca %s: no certificate in it", name)
		}
	}
	if s.cfg.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.file(s.cfg.TLS.Cert), s.file(s.cfg.TLS.Key))
		if err != nil {
			return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// granted is how a broker answered a subscription, by filter.
type granted map[string]byte

// refusedQoS is the answer of a broker that does not grant a filter.
const refusedQoS = 0x80

// refused lists the filters that are not granted at all, in order.
func (g granted) refused() (list []string) {
	for filter, qos := range g {
		if qos >= refusedQoS {
			list = append(list, filter)
		}
	}
	slices.Sort(list)
	return list
}

// subscribe asks for the filters.
func subscribe(ctx context.Context, client paho.Client, filters map[string]byte) (granted, error) {
	token, ok := client.SubscribeMultiple(filters, nil).(*paho.SubscribeToken)
	if !ok {
		return nil, errors.New("the MQTT library changed its token")
	}
	if err := wait(ctx, token); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return token.Result(), nil
}

// wait waits for an answer of the broker.
func wait(ctx context.Context, token paho.Token) error {
	timer := time.NewTimer(connectLimit)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-timer.C:
		return errors.New("the broker did not answer")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusal says why a broker will not have us, when a person must help.
type refusal struct {
	typ    string // event type
	reason string
	remedy string
	extra  map[string]any
}

// withRemedy adds to an error of connecting what a person can do about it.
func withRemedy(err error) error {
	if r, ok := refused(err); ok {
		return fmt.Errorf("%w: %s", err, r.remedy)
	}
	return err
}

// refused tells refusals from trouble that passes by itself.
func refused(err error) (refusal, bool) {
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return untrusted(unknown.Cert, "its certificate is signed by an unknown authority",
			"name the authority's certificate: tls.ca in agent.yaml, --ca for mqtt sniff"), true
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return untrusted(invalid.Cert, invalid.Error(), "renew the broker's certificate, check the station's clock"), true
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		return untrusted(host.Certificate, host.Error(), "use the name that the certificate carries"), true
	}
	for _, known := range []struct {
		err    error
		remedy string
	}{
		{packets.ErrorRefusedBadUsernameOrPassword, "check auth.user and the password file"},
		{packets.ErrorRefusedNotAuthorised, "check auth.user, the password file and the broker's access rules"},
		{packets.ErrorRefusedIDRejected, "set client_id to one that the broker allows"},
		{packets.ErrorRefusedBadProtocolVersion, "the broker must speak MQTT 3.1.1"},
	} {
		if errors.Is(err, known.err) {
			return refusal{typ: event.TypeSourceRefused, reason: known.err.Error(), remedy: known.remedy}, true
		}
	}
	return refusal{}, false
}

func untrusted(cert *x509.Certificate, reason, remedy string) refusal {
	r := refusal{typ: event.TypeSourceUntrusted, reason: reason, remedy: remedy}
	if cert != nil {
		sum := sha256.Sum256(cert.Raw)
		r.extra = map[string]any{"subject": event.Clean(cert.Subject.String()), "sha256": hex.EncodeToString(sum[:])}
	}
	return r
}
