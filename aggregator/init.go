package aggregator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/auth"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
)

// FileName is the configuration that Init writes into the data folder.
const FileName = "aggregator.yaml"

// InitOptions says what a new aggregator is.
type InitOptions struct {
	Dir      string
	Store    string // "" or sqlite, or postgres://...
	Plant    string
	TimeZone string
	Station  string
	People   string // listen address
	Agents   string // listen address
	URLs     []string
	Names    []string
	// Admin and Password make the first administrator.
	Admin    string
	Password string
}

// Init makes the keys, the certificate authority, the first administrator and
// aggregator.yaml. A folder that holds an aggregator already is refused.
func Init(ctx context.Context, o InitOptions, log *slog.Logger) (config.Config, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return config.Config{}, fmt.Errorf("init: %w", err)
	}
	file := filepath.Join(dir, FileName)
	if _, err := os.Stat(file); err == nil {
		return config.Config{}, fmt.Errorf("init: %s exists already; nothing was changed", file)
	}
	if err := auth.CheckName(o.Admin); err != nil {
		return config.Config{}, fmt.Errorf("init: administrator: %w", err)
	}
	if err := auth.CheckPassword(o.Admin, o.Password); err != nil {
		return config.Config{}, fmt.Errorf("init: administrator %s: %w", o.Admin, err)
	}
	if err := makeKeys(dir); err != nil {
		return config.Config{}, fmt.Errorf("init: %w", err)
	}
	text, cfg, err := initialConfig(dir, o)
	if err != nil {
		return cfg, fmt.Errorf("init: %w", err)
	}
	a, err := Open(ctx, cfg, log)
	if err != nil {
		return cfg, fmt.Errorf("init: %w", err)
	}
	defer a.Close()
	admin := store.User{Name: o.Admin, Roles: []string{"administrator"}, Scope: []string{"**"}, Created: time.Now().UTC()}
	if err := a.SaveUser(ctx, admin, o.Password, "init"); err != nil && !errors.Is(err, ErrUserExists) {
		return cfg, fmt.Errorf("init: %w", err)
	}
	// Last: the file makes the aggregator exist.
	if err := durable.WriteFile(file, text, 0o600); err != nil {
		return cfg, fmt.Errorf("init: %w", err)
	}
	return cfg, nil
}

func makeKeys(dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, dirCA), filepath.Join(dir, dirKeys)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, dirCA, "ca.pem")); errors.Is(err, os.ErrNotExist) {
		ca, err := identity.NewCA("Linewatch CA", time.Now)
		if err != nil {
			return err
		}
		if err := ca.Save(filepath.Join(dir, dirCA)); err != nil {
			return err
		}
	}
	for _, name := range []string{fileLedger, fileCosigner} {
		if _, err := identity.LoadOrNewSigningKey(filepath.Join(dir, dirKeys, name)); err != nil {
			return err
		}
	}
	return nil
}

func initialConfig(dir string, o InitOptions) ([]byte, config.Config, error) {
	key, err := signingKey(filepath.Join(dir, dirKeys, fileLedger))
	if err != nil {
		return nil, config.Config{}, err
	}
	cfg := config.Config{
		DataDir: dir, Instance: "agg-" + identity.Fingerprint(publicOf(key))[:8], Plant: o.Plant, TimeZone: o.TimeZone, Station: o.Station,
		Store: o.Store, People: config.People{Listen: o.People, Names: o.Names}, Agents: config.Agents{Listen: o.Agents, URLs: o.URLs},
	}
	if len(cfg.Agents.URLs) == 0 {
		listen := o.Agents
		if listen == "" {
			listen = defaultAgents
		}
		cfg.Agents.URLs = defaultURLs(listen)
	}
	text := config.Write(cfg)
	cfg, err = config.Parse(FileName, text, dir)
	return text, cfg, err
}

// defaultAgents is the default of agents.listen.
const defaultAgents = ":8444"

// ErrUserExists: a user of this name is there already.
var ErrUserExists = errors.New("a user of this name exists already")

// SaveUser adds a user with a password, recorded in the ledger.
func (a *Aggregator) SaveUser(ctx context.Context, u store.User, password, by string) error {
	if err := auth.CheckName(u.Name); err != nil {
		return fmt.Errorf("user %q: %w", u.Name, err)
	}
	if err := auth.CheckPassword(u.Name, password); err != nil {
		return fmt.Errorf("user %s: %w", u.Name, err)
	}
	if old, err := a.Store.User(ctx, u.Name); err == nil && !old.Deleted {
		return fmt.Errorf("user %s: %w", u.Name, ErrUserExists)
	} else if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("user %s: %w", u.Name, err)
	}
	hash, err := auth.HashPassword(password)
	if err != nil {
		return err
	}
	u.Password = hash
	return a.changeUser(ctx, u, "create", by)
}

// changeUser stores a user and the event of it in one transaction.
func (a *Aggregator) changeUser(ctx context.Context, u store.User, action, by string) error {
	data, err := event.Object(map[string]any{
		"targetUser": a.Pseudonym(ctx, u.Name), "action": action, "by": by, "before": nil,
		"after": map[string]any{"roles": strings.Join(u.Roles, ","), "scope": strings.Join(u.Scope, ",")},
	})
	if err != nil {
		return err
	}
	_, err = a.Ledger.Commit(ctx, store.Change{Users: []store.User{u}}, event.Event{Type: event.TypeAccountChange, Data: data})
	if err != nil {
		return fmt.Errorf("user %s: %w", u.Name, err)
	}
	return nil
}
