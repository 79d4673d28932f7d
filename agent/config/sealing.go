package config

import (
	"fmt"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/seal"
)

// SealRule says what is done with one field of some types of events, beside or
// instead of what the catalogue says.
type SealRule struct {
	Type string `yaml:"type" required:"true" doc:"event type, group such as user.*, or *" example:"x.acme.badge_read"`
	Path string `yaml:"path" required:"true" doc:"event_data.<path>, or **.<name> for a name at any depth" example:"event_data.holder"`
	As   string `yaml:"as" required:"true" doc:"person (a name: a pseudonym stands in its place), personal, target (personal data of whom event_data.targetUser names), the name of a field set such as secret or recipe, or clear" example:"person"`
}

// SealRules are the rules as package seal takes them.
func (c *Config) SealRules() []seal.Rule {
	rules := make([]seal.Rule, len(c.Sealing))
	for i, r := range c.Sealing {
		rules[i] = seal.Rule{Type: r.Type, Path: r.Path, As: r.As, Why: "agent.yaml"}
	}
	return rules
}

func (c *Config) validateSealing(r *conf.Report) {
	for i, rule := range c.SealRules() {
		if err := rule.Check(); err != nil {
			r.Addf(fmt.Sprintf("sealing[%d]", i), "%v", err)
		}
	}
}
