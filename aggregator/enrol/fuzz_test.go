package enrol

import (
	"encoding/json"
	"testing"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

// FuzzEnrolRequest: no foreign request passes without proving its keys, and none
// panics.
func FuzzEnrolRequest(f *testing.F) {
	f.Add([]byte(`{"agent_id":"a000000000000000","public_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","csr":"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n","log_key_proof":""}`))
	f.Add([]byte(`{"machine":{"mac":"00"}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var req wire.EnrolRequest
		if json.Unmarshal(body, &req) != nil {
			return
		}
		if c, err := check(req); err == nil && (c.csr == nil || len(c.key) != 32 || req.LogKeyProof == "") {
			t.Fatal("passed without proof")
		}
	})
}

// FuzzRegistration: only an agent's own origin passes.
func FuzzRegistration(f *testing.F) {
	f.Add("linewatch/a1/security/0123456789abcdef", "", "")
	f.Add("linewatch/_aggregator/x/security/0123456789abcdef", "AAAA", "AAAA")
	f.Fuzz(func(t *testing.T, origin, key, proof string) {
		reg := wire.LogRegistration{Origin: origin, PublicKey: key, Proof: proof}
		if _, _, err := checkRegistration(storeAgent(), reg); err == nil {
			t.Fatal("passed without a key of its own")
		}
	})
}

func storeAgent() store.Agent {
	return store.Agent{ID: "a1", Keys: []store.AgentKey{{Public: make([]byte, 32)}}}
}
