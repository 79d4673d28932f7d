package opcua

import (
	"fmt"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/config"
)

// security is a policy and mode out of the configuration. The server's offers
// never change it: what it does not offer is refused, never replaced.
type security struct {
	policy  string // short name, as in the configuration
	uri     string
	mode    ua.MessageSecurityMode
	minBits int
	maxBits int
}

// policies are those of OPC 10000-7 that gopcua speaks and that are not
// deprecated; the key sizes are the limits of each.
func policies() map[string]security {
	return map[string]security{
		"None":                  {uri: ua.SecurityPolicyURINone},
		"Basic256Sha256":        {uri: ua.SecurityPolicyURIBasic256Sha256, minBits: 2048, maxBits: 4096},
		"Aes128_Sha256_RsaOaep": {uri: ua.SecurityPolicyURIAes128Sha256RsaOaep, minBits: 2048, maxBits: 4096},
		"Aes256_Sha256_RsaPss":  {uri: ua.SecurityPolicyURIAes256Sha256RsaPss, minBits: 2048, maxBits: 4096},
	}
}

// newSecurity reads policy and mode; None on both sides needs allow_insecure.
func newSecurity(cfg config.OPCUA) (security, error) {
	policy, mode := cfg.Security.Policy, cfg.Security.Mode
	sec, ok := policies()[policy]
	if !ok {
		return security{}, fmt.Errorf("security policy %q is unknown: use Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss, or None with allow_insecure", policy)
	}
	sec.policy = policy
	switch mode {
	case "None":
		sec.mode = ua.MessageSecurityModeNone
	case "Sign":
		sec.mode = ua.MessageSecurityModeSign
	case "SignAndEncrypt":
		sec.mode = ua.MessageSecurityModeSignAndEncrypt
	default:
		return security{}, fmt.Errorf("security mode %q is unknown: use SignAndEncrypt, Sign or None", mode)
	}
	if (policy == "None") != (mode == "None") {
		return security{}, fmt.Errorf("security policy %s and mode %s do not go together", policy, mode)
	}
	if policy == "None" && !cfg.AllowInsecure {
		return security{}, fmt.Errorf("security None sends everything in the clear: choose a policy, or say allow_insecure: true")
	}
	return sec, nil
}

// secure tells whether messages are at least signed.
func (s security) secure() bool { return s.mode != ua.MessageSecurityModeNone }

// String is "Basic256Sha256/SignAndEncrypt".
func (s security) String() string { return s.policy + "/" + modeName(s.mode) }

func modeName(m ua.MessageSecurityMode) string {
	switch m {
	case ua.MessageSecurityModeNone:
		return "None"
	case ua.MessageSecurityModeSign:
		return "Sign"
	case ua.MessageSecurityModeSignAndEncrypt:
		return "SignAndEncrypt"
	}
	return "invalid"
}

// policyName shortens a policy URI to the name used in configurations.
func policyName(uri string) string {
	for name, p := range policies() {
		if p.uri == uri {
			return name
		}
	}
	return uri
}
