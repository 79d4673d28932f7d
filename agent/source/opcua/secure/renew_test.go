package secure

import (
	"encoding/json"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source/opcua/pki"
	"github.com/linewatch/linewatch/shared/peertest"
)

// open dials a real server (node-opcua) under a policy, with tokens of two seconds.
func open(t *testing.T, policy string, mode ua.MessageSecurityMode) *Channel {
	t.Helper()
	options, err := json.Marshal(map[string]any{
		"variables": 1, "alarm": false, "policies": []string{"Basic256Sha256"}, "modes": []string{"SignAndEncrypt"},
	})
	require.NoError(t, err)
	server := struct{ Endpoint, Certificate string }{}
	require.NoError(t, json.Unmarshal(peertest.Node(t, "opcua-line.mjs", string(options)).Ready, &server))
	block, _ := pem.Decode([]byte(server.Certificate))
	require.NotNil(t, block)
	store, err := pki.Open(t.TempDir())
	require.NoError(t, err)
	own, err := store.Own(pki.Subject{ApplicationURI: "urn:test:renewal", CommonName: "renewal", Hostname: "localhost"}, time.Now())
	require.NoError(t, err)
	c, err := Dial(t.Context(), Config{
		Endpoint: server.Endpoint, Policy: policy, Mode: mode, Certificate: own.Certificate, Key: own.Key, Pinned: block.Bytes,
		Lifetime: 2 * time.Second, Timeout: 10 * time.Second, MaxMessage: 1 << 20, MaxChunks: 32,
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestTokensAreRenewedWhileRequestsGoOn(t *testing.T) {
	t.Parallel()
	c := open(t, ua.SecurityPolicyURIBasic256Sha256, ua.MessageSecurityModeSignAndEncrypt)
	first := c.current().id
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := c.SendRequest(t.Context(), &ua.GetEndpointsRequest{EndpointURL: c.cfg.Endpoint}, nil, 10*time.Second)
				if err != nil || len(res.(*ua.GetEndpointsResponse).Endpoints) == 0 {
					t.Errorf("answer %v, error %v", res, err)
					return
				}
			}
		})
	}
	seen := map[uint32]bool{first: true}
	require.Eventually(t, func() bool {
		seen[c.current().id] = true
		return len(seen) == 4
	}, 60*time.Second, 20*time.Millisecond, "three renewals")
	close(stop)
	asking.Wait()
	require.NoError(t, c.reason())
}

func TestALateAnswerIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	c := &Channel{cfg: Config{MaxMessage: 100, MaxChunks: 2}, waiting: map[uint32]*pending{}}
	c.in.parts = map[uint32]*part{}
	require.NoError(t, c.gather(7, nil, 'C', make([]byte, 90)))
	require.Zero(t, c.in.size, "nobody waits: nothing is kept")
	p := &pending{answer: make(chan answer, 1)}
	require.NoError(t, c.gather(8, p, 'C', make([]byte, 60)))
	require.ErrorContains(t, c.gather(8, p, 'C', make([]byte, 60)), "more than 100 bytes")
	require.NoError(t, c.in.follow(5))
	require.ErrorContains(t, c.in.follow(5), "sequence number 5 after 5")
	c.in.sequence = lastSequence
	require.NoError(t, c.in.follow(1))
}
