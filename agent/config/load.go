package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/nearest"
)

// Load reads and checks agent.yaml; the error has every mistake with its place.
func Load(path string) (Config, error) { return conf.LoadIn(path, (*Config).settle) }

// Parse reads and checks text as Load does; dir stands for the file's folder.
func Parse(name string, text []byte, dir string) (Config, error) {
	return conf.ParseIn(name, text, dir, (*Config).settle)
}

// settle makes paths absolute and fills in defaults that depend on other keys.
func (c *Config) settle(dir string) {
	c.Dir = dir
	c.DataDir, c.Machine = c.Abs(c.DataDir), c.Abs(c.Machine)
	for i := range c.OPCUA {
		s := &c.OPCUA[i]
		s.Auth.PasswordFile = c.Abs(s.Auth.PasswordFile)
		for g := range s.Groups {
			for n := range s.Groups[g].Nodes {
				if b := s.Groups[g].Nodes[n].Bits; b != nil {
					b.Texts = c.Abs(b.Texts)
				}
			}
		}
	}
	for i := range c.MQTT {
		s := &c.MQTT[i]
		s.Auth.PasswordFile = c.Abs(s.Auth.PasswordFile)
		s.TLS = TLS{c.Abs(s.TLS.CA), c.Abs(s.TLS.Cert), c.Abs(s.TLS.Key)}
	}
}

// Abs makes a path of the file absolute; "" stays "".
func (c *Config) Abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, path)
}

// QuotaBytes returns the quota for a disk of the given size in bytes: 10 % means
// 10 % of it, but 2 to 20 GiB.
func (j Journal) QuotaBytes(disk uint64) (uint64, error) {
	text, percent := strings.CutSuffix(j.Quota, "%")
	if !percent {
		return conf.ParseSize(j.Quota)
	}
	p, err := strconv.ParseFloat(text, 64)
	if err != nil || p <= 0 || p > 90 {
		return 0, fmt.Errorf("%q is no share from 1%% to 90%%", j.Quota)
	}
	return min(max(uint64(float64(disk)*p/100), 2<<30), 20<<30), nil
}

// Validate checks what types can't.
func (c *Config) Validate(r *conf.Report) {
	if err := event.ValidStation(c.Station); err != nil && !r.Faulty("station") {
		r.Addf("station", "%v", err)
	}
	if _, err := c.Journal.QuotaBytes(1 << 40); err != nil {
		r.Addf("journal.quota", "%v", err)
	}
	for i, text := range c.Aggregator.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			r.Add(fmt.Sprintf("aggregator.urls[%d]", i), "must be https://host:port")
		}
	}
	if u, err := url.Parse(c.Aggregator.Proxy); err != nil || c.Aggregator.Proxy != "" && u.Host == "" {
		r.Add("aggregator.proxy", "must be http://host:port")
	}
	seen := map[string]string{}
	for i := range c.OPCUA {
		c.OPCUA[i].validate(r, fmt.Sprintf("opcua[%d]", i), seen)
	}
	for i := range c.MQTT {
		c.MQTT[i].validate(r, fmt.Sprintf("mqtt[%d]", i), seen, c.Levels)
	}
	c.checkClients(r)
	c.validateSealing(r)
	for name, s := range c.Signals {
		s.validate(r, "signals."+name)
	}
	c.Detection.validate(r, "detection")
	c.validateSPC(r)
}

// checkClients refuses two sources with one client id at one broker: the broker
// would throw them out in turn, and each would take the other's messages.
func (c *Config) checkClients(r *conf.Report) {
	type session struct{ broker, client string }
	seen := map[session]int{}
	for i, s := range c.MQTT {
		key := session{s.Broker, s.ClientID}
		first, ok := seen[key]
		if ok && s.ClientID != "" {
			r.Addf(fmt.Sprintf("mqtt[%d].client_id", i), "mqtt[%d] has this client id at the same broker; each source needs its own", first)
			continue
		}
		seen[key] = i
	}
}

func checkName(r *conf.Report, path, name string, seen map[string]string) {
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`).MatchString(name) {
		r.Add(path+".name", "must be 1 to 40 letters, digits or . _ -")
		return
	}
	if first, ok := seen[name]; ok {
		r.Addf(path+".name", "%s has this name already; each source needs its own", first)
		return
	}
	seen[name] = path
}

func checkStation(r *conf.Report, path, station string) {
	if station == "" || strings.Contains(station, "{") {
		return
	}
	if err := event.ValidStation(station); err != nil {
		r.Addf(path+".station", "%v", err)
	}
}

// reserved are the types that the agent and the aggregator write about their own
// logs and life: who may publish must not be able to make one. log.cleared is the
// log of a host.
func reserved(typ string) bool {
	switch typ {
	case event.TypeLogCleared:
		return false
	case event.TypeAuditStarted, event.TypeAuditStopped, event.TypeAuditGap, event.TypeAuditStorageWarning,
		event.TypeAuditCheckpoint, event.TypeAuditVerified, event.TypeSignalSummary, event.TypeIngestQuarantined:
		return true
	}
	return strings.HasPrefix(typ, "log.")
}

func checkEvent(r *conf.Report, path, typ string) {
	if typ == "" {
		return
	}
	if !event.ValidType(typ) {
		r.Add(path+".event", "is no event type: dotted lower-case names such as equipment.status")
		return
	}
	if reserved(typ) {
		r.Addf(path+".event", "%s is what Linewatch says about itself, and a message must not be taken for it; use a type of the equipment, or x.<owner>.<name>", typ)
		return
	}
	if event.Known(typ) {
		return
	}
	var names []string
	for _, t := range event.Types() {
		names = append(names, t.Name)
	}
	r.Suggest(path+".event", "is not in the catalogue; own types are x.<owner>.<name>", nearest.To(typ, names))
}

func (s *OPCUA) validate(r *conf.Report, path string, seen map[string]string) {
	checkName(r, path, s.Name, seen)
	checkStation(r, path, s.Station)
	if u, err := url.Parse(s.Endpoint); !r.Faulty(path+".endpoint") && (err != nil || u.Scheme != "opc.tcp" || u.Host == "") {
		r.Add(path+".endpoint", "must be opc.tcp://host:port")
	}
	none := s.Security.Policy == "None" || s.Security.Mode == "None"
	switch {
	case none && s.Security.Policy != s.Security.Mode:
		r.Add(path+".security", "policy None and mode None go together")
	case none && !s.AllowInsecure:
		r.Add(path+".security", "None sends everything readable and unsigned; if that is meant, say allow_insecure: true")
	case none && s.Auth.User != "":
		r.Add(path+".auth", "a password would travel readable with security None")
	}
	checkAuth(r, path, s.Auth)
	if len(s.Groups) == 0 && len(s.Alarms) == 0 {
		r.Add(path, "has neither groups nor alarms, so nothing would be recorded; linewatch-agent opcua browse "+s.Endpoint+" prints some")
	}
	for i, g := range s.Groups {
		p := fmt.Sprintf("%s.groups[%d]", path, i)
		if g.Sampling < 0 || g.Publishing < 0 {
			r.Add(p+".sampling", "must be positive")
		}
		if len(g.Nodes) == 0 {
			r.Add(p+".nodes", "is empty")
		}
		for k := range g.Nodes {
			g.Nodes[k].validate(r, fmt.Sprintf("%s.nodes[%d]", p, k))
		}
	}
	for i, a := range s.Alarms {
		if a.MinSeverity < 0 || a.MinSeverity > 1000 {
			r.Add(fmt.Sprintf("%s.alarms[%d].min_severity", path, i), "must be 1 to 1000")
		}
	}
}

func (n *OPCUANode) validate(r *conf.Report, path string) {
	if (n.ID == "") == (n.Path == "") {
		r.Add(path, "needs either id or path")
	}
	if n.ID != "" && !regexp.MustCompile(`^(nsu=[^;]+;|ns=\d+;)?[isgb]=.+$`).MatchString(n.ID) {
		r.Add(path+".id", "is no node id such as nsu=urn:vendor:press;s=Line1.Press.State or i=2258")
	}
	if n.Path != "" && !strings.HasPrefix(n.Path, "/") {
		r.Add(path+".path", "must begin with /, such as /Objects/v:Line1")
	}
	if n.As == "" && n.Event == "" && n.Bits == nil {
		r.Add(path, "needs as (a signal), event, or bits: otherwise nobody would find its values again")
	}
	if n.Bits != nil && n.Map != nil {
		r.Add(path+".bits", "a node has bits or map, not both")
	}
	checkEvent(r, path, n.Event)
	checkStation(r, path, n.Station)
}

func checkAuth(r *conf.Report, path string, a Auth) {
	if (a.User == "") != (a.PasswordFile == "") {
		r.Add(path+".auth", "needs both user and password_file, or neither")
	}
}

func (s *MQTT) validate(r *conf.Report, path string, seen map[string]string, levels []string) {
	checkName(r, path, s.Name, seen)
	checkStation(r, path, s.Station)
	u, err := url.Parse(s.Broker)
	schemes := []string{"tcp", "ssl", "mqtt", "mqtts", "tls"}
	switch {
	case r.Faulty(path + ".broker"):
	case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
		r.Add(path+".broker", "must be ssl://host:8883 or tcp://host:1883")
	case u.User != nil:
		r.Add(path+".broker", "holds a password; use auth: {user, password_file}")
	case (u.Scheme == "tcp" || u.Scheme == "mqtt") && s.Auth.User != "" && !s.AllowInsecure && !loopback(u.Hostname()):
		r.Add(path+".broker", "a password would travel readable; use ssl://, or say allow_insecure: true")
	}
	checkAuth(r, path, s.Auth)
	if s.QoS != 1 && s.QoS != 2 {
		r.Add(path+".qos", "must be 1 or 2: QoS 0 loses messages without a word")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		r.Add(path+".tls", "needs both cert and key, or neither")
	}
	for i := range s.Topics {
		s.Topics[i].validate(r, fmt.Sprintf("%s.topics[%d]", path, i), levels)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (t *MQTTTopic) validate(r *conf.Report, path string, levels []string) {
	if t.Match != "" {
		checkFilter(r, path+".match", t.Match, levels)
	}
	if t.As == "" && t.Event == "" {
		r.Add(path, "needs as (a signal) or event: otherwise nobody would find its messages again")
	}
	checkEvent(r, path, t.Event)
	checkStation(r, path, t.Station)
	for key, value := range map[string]string{"value": t.Value, "time": t.Time, "user": t.User, "id": t.ID} {
		if value != "" && !pathSyntax().MatchString(value) {
			r.Add(path+"."+key, "is no path such as $.a.b[0]")
		}
		if value != "" && t.Payload != "json" && t.Payload != "" {
			r.Addf(path+"."+key, "a %s payload has no paths", t.Payload)
		}
	}
	for key, value := range t.Data {
		if strings.HasPrefix(value, "$.") && !pathSyntax().MatchString(value) {
			r.Add(path+".data."+key, "is no path such as $.a.b[0]")
		}
	}
}

func pathSyntax() *regexp.Regexp { return regexp.MustCompile(`^\$(\.[^.\[\]]+|\[\d+\])*$`) }

// checkFilter checks a topic filter with named levels and ${station.<level>}.
func checkFilter(r *conf.Report, path, match string, levels []string) {
	parts := strings.Split(match, "/")
	for i, part := range parts {
		switch {
		case part == "#" && i != len(parts)-1:
			r.Add(path, "# may only be the last level")
		case part == "+", part == "#":
		case strings.HasPrefix(part, "${"):
			name, ok := strings.CutPrefix(strings.TrimSuffix(part, "}"), "${station.")
			if !ok || !strings.HasSuffix(part, "}") || !slices.Contains(levels, name) {
				r.Suggest(path, part+" is no level of the station path ("+strings.Join(levels, ", ")+")", nearest.To(name, levels))
			}
		case strings.HasPrefix(part, "{") != strings.HasSuffix(part, "}"):
			r.Add(path, "a named level is {name}, alone between slashes")
		case !strings.HasPrefix(part, "{") && strings.ContainsAny(part, "+#"):
			r.Add(path, "+ and # stand alone between slashes")
		}
	}
}
