// Package rights is the contract of who may do what: roles, what they grant, and
// the principal that a request carries. What is not granted is denied.
package rights

import (
	"errors"
	"slices"
	"sort"

	"github.com/linewatch/linewatch/shared/event"
)

// Errors of finding out who asks.
var (
	// ErrNobody: no session and no token.
	ErrNobody = errors.New("not signed in")
	// ErrWrong: name or password are wrong; which one is not said.
	ErrWrong = errors.New("name or password is wrong")
	// ErrSlow: too many attempts for this name.
	ErrSlow = errors.New("too many attempts; wait a minute")
)

// Permission is one thing that a person or program may do.
type Permission string

// The permissions.
const (
	EventsRead   Permission = "events.read"   // events, their proofs, live stream, histogram
	EventsWrite  Permission = "events.write"  // POST /events
	StationsRead Permission = "stations.read" // list of stations
	AgentsRead   Permission = "agents.read"   // state of the agents
	AgentsManage Permission = "agents.manage" // approve, revoke, tokens
	UsersManage  Permission = "users.manage"  // people and API tokens
	AuditRead    Permission = "audit.read"    // who did and read what
	Export       Permission = "export"        // more than a screenful at once
	MetricsRead  Permission = "metrics.read"  // /metrics
)

// role is what one role grants: permissions and the classes of events it may read.
type role struct {
	permissions []Permission
	classes     []event.Class
}

func roleTable() map[string]role {
	production := []event.Class{event.Manufacturing, event.Performance}
	all := event.Classes()
	return map[string]role{
		"viewer":      {[]Permission{EventsRead, StationsRead}, production},
		"operator":    {[]Permission{EventsRead, StationsRead}, production},
		"quality":     {[]Permission{EventsRead, StationsRead, Export}, production},
		"maintenance": {[]Permission{EventsRead, StationsRead, AgentsRead, Export}, all},
		"security":    {[]Permission{EventsRead, StationsRead, AgentsRead, AuditRead, Export}, all},
		"auditor":     {[]Permission{EventsRead, StationsRead, AgentsRead, AuditRead, Export}, all},
		// Works council and data protection: who looked at what, and the security log.
		"privacy":    {[]Permission{EventsRead, StationsRead, AuditRead}, []event.Class{event.Security}},
		"integrator": {[]Permission{EventsWrite, StationsRead, MetricsRead}, nil},
		// The administrator runs the system and reads no event bodies.
		"administrator": {[]Permission{StationsRead, AgentsRead, AgentsManage, UsersManage, MetricsRead}, nil},
	}
}

// Roles lists the names of all roles, sorted.
func Roles() []string {
	var names []string
	for name := range roleTable() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Principal is who asks.
type Principal struct {
	Name    string
	Display string
	Kind    string // user, api
	Token   string // id of an API token: the first digits of its hash, as its key.lifecycle event has it
	// Session is the id of a person's session: the first digits of its token's hash.
	Session string
	Roles   []string
	Scope   []string // station patterns; what they do not match is not seen
}

// Key tells callers apart: names of tokens need not differ, and may be those of people.
func (who Principal) Key() string {
	if who.Token != "" {
		return "token " + who.Token
	}
	return "user " + who.Name
}

// May reports whether one of the roles grants p.
func (who Principal) May(p Permission) bool {
	table := roleTable()
	return slices.ContainsFunc(who.Roles, func(name string) bool {
		return slices.Contains(table[name].permissions, p)
	})
}

// Permissions lists what the roles grant together, sorted.
func (who Principal) Permissions() []string {
	seen := map[string]bool{}
	table := roleTable()
	for _, name := range who.Roles {
		for _, p := range table[name].permissions {
			seen[string(p)] = true
		}
	}
	list := make([]string, 0, len(seen))
	for p := range seen {
		list = append(list, p)
	}
	sort.Strings(list)
	return list
}

// Classes lists the classes of events that the roles may read, most important
// first; nil means none.
func (who Principal) Classes() []event.Class {
	table := roleTable()
	var list []event.Class
	for _, c := range event.Classes() {
		if slices.ContainsFunc(who.Roles, func(name string) bool { return slices.Contains(table[name].classes, c) }) {
			list = append(list, c)
		}
	}
	return list
}
