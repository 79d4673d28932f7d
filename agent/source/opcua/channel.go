package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"

	"github.com/linewatch/linewatch/agent/source/opcua/pki"
	"github.com/linewatch/linewatch/agent/source/opcua/secure"
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
// attempt.
type channel struct {
	sc  *secure.Channel
	sec security
	own pki.Own
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
	settings := secure.Config{
		Endpoint: cfg.endpoint, Policy: cfg.sec.uri, Mode: cfg.sec.mode,
		Lifetime: channelLife, Timeout: requestTimeout, MaxMessage: maxMessage, MaxChunks: maxChunks,
	}
	if cfg.sec.secure() {
		settings.Certificate, settings.Key, settings.Pinned = cfg.own.Certificate, cfg.own.Key, cfg.pinned
	}
	sc, err := secure.Dial(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("connect to %s under %s: %w", cfg.endpoint, cfg.sec, err)
	}
	return &channel{sc: sc, sec: cfg.sec, own: cfg.own, pinned: cfg.pinned, sent: cfg.sent}, nil
}

// close ends the connection; requests that wait get an error.
func (c *channel) close() { c.sc.Close() }

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
	res, err := c.sc.SendRequest(ctx, req, token, timeout)
	if err != nil {
		return answer, fmt.Errorf("%s: %w", name, err)
	}
	answer, ok = res.(T)
	if !ok {
		return answer, fmt.Errorf("%s: %w", name, &secure.Malformed{Reason: fmt.Sprintf("unexpected answer %T", res)})
	}
	// A typed nil must not be taken for an answer.
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
