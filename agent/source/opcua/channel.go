package opcua

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/gopcua/opcua/uasc"

	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// Limits of one connection attempt and of one answer.
const (
	dialTimeout    = 5 * time.Second
	requestTimeout = 10 * time.Second
	channelLife    = time.Hour
	// maxMessage bounds what one answer may unpack to in memory.
	maxMessage = 32 << 20
	maxChunks  = 1024
)

// errServiceRefused is our own refusal to send a service that could change
// something in the equipment.
var errServiceRefused = errors.New("this OPC UA service is never used")

// channel is one secure channel over one TCP connection, made anew for every
// attempt: gopcua overwrites policy and certificate of its configuration with
// what the peer's answer carries, so a used configuration is never used again.
type channel struct {
	conn *uacp.Conn
	sc   *uasc.SecureChannel
	sec  security
	own  pki.Own
	// pinned is the server certificate (leaf, DER) that the channel was opened to.
	pinned []byte
	// token authenticates requests once a session is activated.
	token *ua.NodeID
	// sent is told the name of each service before it goes out; nil for nobody.
	sent func(service string)
}

// dialConfig is what a channel is opened with.
type dialConfig struct {
	endpoint string
	sec      security
	own      pki.Own
	pinned   []byte
	sent     func(service string)
}

// dial opens a secure channel to exactly the pinned certificate, with exactly the
// configured policy; an answer under another is refused.
func dial(ctx context.Context, cfg dialConfig) (*channel, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := &uacp.Dialer{
		Dialer: &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second},
		ClientACK: &uacp.Acknowledge{
			ReceiveBufSize: uacp.DefaultReceiveBufSize, SendBufSize: uacp.DefaultSendBufSize,
			MaxChunkCount: maxChunks, MaxMessageSize: maxMessage,
		},
	}
	conn, err := dialer.Dial(ctx, cfg.endpoint)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.endpoint, err)
	}
	settings := &uasc.Config{
		SecurityPolicyURI: cfg.sec.uri,
		SecurityMode:      cfg.sec.mode,
		Lifetime:          uint32(channelLife / time.Millisecond),
		RequestTimeout:    requestTimeout,
	}
	if cfg.sec.secure() {
		settings.Certificate = cfg.own.Certificate
		settings.LocalKey = cfg.own.Key
		settings.RemoteCertificate = cfg.pinned
		settings.Thumbprint = uapolicy.Thumbprint(cfg.pinned)
	}
	sc, err := uasc.NewSecureChannel(cfg.endpoint, conn, settings, make(chan error, 1))
	if err != nil {
		_ = conn.Close() // the reason is the error above
		return nil, fmt.Errorf("secure channel to %s: %w", cfg.endpoint, err)
	}
	c := &channel{conn: conn, sc: sc, sec: cfg.sec, own: cfg.own, pinned: cfg.pinned, sent: cfg.sent}
	if err := sc.Open(ctx); err != nil {
		c.close()
		return nil, fmt.Errorf("open secure channel %s to %s: %w", cfg.sec, cfg.endpoint, err)
	}
	// What the peer's answer carried now stands in settings.
	if settings.SecurityPolicyURI != cfg.sec.uri || !samePinned(cfg.sec, settings.RemoteCertificate, cfg.pinned) {
		c.close()
		return nil, fmt.Errorf("open secure channel to %s: %w", cfg.endpoint, errDowngrade)
	}
	return c, nil
}

// errDowngrade is an answer under another policy or certificate than asked for.
var errDowngrade = errors.New("the answer came under another policy or certificate than asked for: somebody may be between the agent and the server")

func samePinned(sec security, got, pinned []byte) bool {
	return !sec.secure() || bytes.HasPrefix(got, pinned)
}

// close ends the connection; requests that wait get an error. The TCP connection
// goes first, so that a dead peer can't hold it up.
func (c *channel) close() {
	_ = c.conn.Close() // nothing to do about it
	_ = c.sc.Close()   // answers io.EOF whenever the connection is gone
}

// call sends one request and waits for its answer. It is the only place of this
// package that sends anything, and refuses what could change the equipment.
func call[T ua.Response](ctx context.Context, c *channel, req ua.Request, timeout time.Duration) (T, error) {
	var answer T
	name, ok := permitted(req)
	if !ok {
		return answer, fmt.Errorf("%s: %w", name, errServiceRefused)
	}
	if c.sent != nil {
		c.sent(name)
	}
	token := c.token
	if !needsSession(req) {
		token = nil
	}
	err := c.sc.SendRequestWithTimeout(ctx, req, token, timeout, func(r ua.Response) error {
		got, ok := r.(T)
		if !ok {
			return fmt.Errorf("unexpected answer %T", r)
		}
		answer = got
		return nil
	})
	if err != nil {
		return answer, fmt.Errorf("%s: %w", name, err)
	}
	// A handler that never ran, or a typed nil, must not be taken for an answer.
	if any(answer) == nil || answer.Header() == nil {
		return answer, fmt.Errorf("%s: empty answer", name)
	}
	return answer, nil
}

func needsSession(req ua.Request) bool {
	switch req.(type) {
	case *ua.GetEndpointsRequest, *ua.CreateSessionRequest:
		return false
	}
	return true
}

// conditionRefresh is the one method that is called: it makes the server repeat
// the alarms that stand, and changes nothing.
const (
	conditionTypeID    = 2782
	conditionRefreshID = 3875
)

// permitted names the service of a request and says whether it may be sent: only
// those that read, subscribe, or manage the session.
func permitted(req ua.Request) (string, bool) {
	switch r := req.(type) {
	case *ua.GetEndpointsRequest:
		return "GetEndpoints", true
	case *ua.CreateSessionRequest:
		return "CreateSession", true
	case *ua.ActivateSessionRequest:
		return "ActivateSession", true
	case *ua.CloseSessionRequest:
		return "CloseSession", true
	case *ua.ReadRequest:
		return "Read", true
	case *ua.BrowseRequest:
		return "Browse", true
	case *ua.BrowseNextRequest:
		return "BrowseNext", true
	case *ua.CreateSubscriptionRequest:
		return "CreateSubscription", true
	case *ua.DeleteSubscriptionsRequest:
		return "DeleteSubscriptions", true
	case *ua.TransferSubscriptionsRequest:
		return "TransferSubscriptions", true
	case *ua.CreateMonitoredItemsRequest:
		return "CreateMonitoredItems", true
	case *ua.PublishRequest:
		return "Publish", true
	case *ua.RepublishRequest:
		return "Republish", true
	case *ua.CallRequest:
		return "Call", onlyConditionRefresh(r)
	}
	return fmt.Sprintf("%T", req), false
}

func onlyConditionRefresh(r *ua.CallRequest) bool {
	for _, m := range r.MethodsToCall {
		if !m.ObjectID.Equal(ua.NewNumericNodeID(0, conditionTypeID)) || !m.MethodID.Equal(ua.NewNumericNodeID(0, conditionRefreshID)) {
			return false
		}
	}
	return len(r.MethodsToCall) > 0
}

// status returns the OPC UA status code inside an error, or 0.
func status(err error) ua.StatusCode {
	if code, ok := errors.AsType[ua.StatusCode](err); ok {
		return code
	}
	if e, ok := errors.AsType[*uacp.Error](err); ok {
		return ua.StatusCode(e.ErrorCode)
	}
	return 0
}
