package aggregator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/version"
)

// Names in the folder of a backup. The manifest is written last: without it the
// backup is not whole.
const (
	fileManifest = "backup.json"
	fileSQLCopy  = "linewatch.db"   // of SQLite
	fileDump     = "linewatch.dump" // of PostgreSQL, pg_dump's custom format
)

// settingRestored names the newest restore of a store; the ledger compares it with
// what it remembers.
const settingRestored = "restored"

// ErrBackup: a folder holds no whole backup of this aggregator.
var ErrBackup = errors.New("no whole backup")

// Backup describes a copy of the store: what backup.json says. Keys are not in it.
type Backup struct {
	Format   int         `json:"format"` // 1
	Program  string      `json:"program"`
	Instance string      `json:"instance"`
	Created  time.Time   `json:"created"`
	File     string      `json:"file"`
	Bytes    int64       `json:"bytes"`
	SHA256   string      `json:"sha256"`
	Logs     []BackupLog `json:"logs"` // at least so much is in it
}

// BackupLog is one log as it was when the backup began.
type BackupLog struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
}

// Backup writes a copy of the store into a new folder while the aggregator may be
// running, and an event of it into the ledger.
func (a *Aggregator) Backup(ctx context.Context, dir string) (Backup, error) {
	b, err := a.backup(ctx, dir)
	if err != nil {
		failed := map[string]any{"scope": "store", "target": dir, "error": err.Error()}
		return b, errors.Join(fmt.Errorf("backup: %w", err), a.Ledger.Record(ctx, event.TypeBackupFailed, failed))
	}
	done := map[string]any{"scope": "store", "target": dir, "bytes": b.Bytes, "sha256": b.SHA256, "result": "written"}
	return b, a.Ledger.Record(ctx, event.TypeBackupCompleted, done)
}

func (a *Aggregator) backup(ctx context.Context, dir string) (Backup, error) {
	b := Backup{Format: 1, Program: version.String(), Instance: a.Config.Instance, Created: time.Now().UTC(), File: fileSQLCopy}
	if onPostgres(a.Config) {
		b.File = fileDump
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return b, err // an older backup is never overwritten
	}
	logs, err := a.Store.Logs(ctx)
	if err != nil {
		return b, err
	}
	for _, lg := range logs {
		root, err := lg.Frontier.Root()
		if err != nil {
			return b, fmt.Errorf("log %s: %w", lg.ID, err)
		}
		b.Logs = append(b.Logs, BackupLog{lg.Origin, lg.Size, root.String()})
	}
	path := filepath.Join(dir, b.File)
	if err := a.Store.Backup(ctx, path); err != nil {
		return b, err
	}
	if b.Bytes, b.SHA256, err = sum(path); err != nil {
		return b, err
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return b, err
	}
	return b, durable.WriteFile(filepath.Join(dir, fileManifest), append(text, '\n'), 0o600)
}

// sum syncs a file and returns its length and hash.
func sum(path string) (int64, string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err == nil {
		err = f.Sync()
	}
	return n, hex.EncodeToString(h.Sum(nil)), err
}

func onPostgres(cfg config.Config) bool { return cfg.Store != "sqlite" && cfg.Store != "" }

// ReadBackup reads the description of a backup and compares the file with it.
func ReadBackup(dir string) (Backup, error) {
	var b Backup
	text, err := os.ReadFile(filepath.Join(dir, fileManifest))
	if err != nil {
		return b, fmt.Errorf("%w in %s: %w", ErrBackup, dir, err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("%w in %s: %s: %w", ErrBackup, dir, fileManifest, err)
	}
	if b.Format != 1 || b.File != filepath.Base(b.File) {
		return b, fmt.Errorf("%w in %s: written by another version (%s)", ErrBackup, dir, b.Program)
	}
	n, hash, err := sum(filepath.Join(dir, b.File))
	if err != nil {
		return b, fmt.Errorf("%w in %s: %w", ErrBackup, dir, err)
	}
	if n != b.Bytes || hash != b.SHA256 {
		return b, fmt.Errorf("%w in %s: %s is not the file that was written (%d bytes, SHA-256 %s)", ErrBackup, dir, b.File, n, hash)
	}
	return b, nil
}

// Restored is what a restore did.
type Restored struct {
	Backup Backup `json:"backup"`
	Kept   string `json:"kept"` // where the store is that was there before
	Logs   int    `json:"logs"`
	Leaves uint64 `json:"leaves"`
}

// Restore puts a backup in the place of a configured aggregator's store, which
// must not run. The ledger goes on in new logs that say so; agents notice by their
// receipts that something is missing and send it again.
func Restore(ctx context.Context, cfg config.Config, dir, by string, log *slog.Logger) (Restored, error) {
	r := Restored{}
	var err error
	if r.Backup, err = ReadBackup(dir); err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	if r.Backup.Instance != cfg.Instance {
		return r, fmt.Errorf("restore: the backup is of instance %s, this aggregator is %s: its keys would not fit", r.Backup.Instance, cfg.Instance)
	}
	file := filepath.Join(dir, r.Backup.File)
	switch {
	case onPostgres(cfg) && r.Backup.File == fileDump:
		r.Kept, err = postgres.Restore(ctx, file, cfg.Store, time.Now())
	case !onPostgres(cfg) && r.Backup.File == fileSQLCopy:
		r.Kept, err = sqlite.Restore(ctx, file, filepath.Join(cfg.DataDir, fileSQLite), time.Now())
	default:
		err = fmt.Errorf("restore: the backup (%s) is of the other kind of database", r.Backup.File)
	}
	if errors.Is(err, store.ErrInUse) {
		return r, fmt.Errorf("%w: stop every aggregator on it first, then restore again", err)
	}
	if err != nil {
		return r, err
	}
	return r, r.finish(ctx, cfg, dir, by, log)
}

// finish marks the store as restored before anything is signed in it, checks what
// the backup promised, and tells of it in the ledger.
func (r *Restored) finish(ctx context.Context, cfg config.Config, dir, by string, log *slog.Logger) error {
	s, err := openStore(ctx, cfg, log)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	_, err = s.Commit(ctx, store.Change{Settings: map[string][]byte{settingRestored: []byte(rand.Text())}})
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	a, err := Open(ctx, cfg, log)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer a.Close()
	logs, err := a.Store.Logs(ctx)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	there := map[string]uint64{}
	for _, lg := range logs {
		there[lg.Origin] = lg.Size
		r.Logs, r.Leaves = r.Logs+1, r.Leaves+lg.Size
	}
	for _, lg := range r.Backup.Logs {
		if there[lg.Origin] < lg.Size {
			return fmt.Errorf("restore: log %s has %d leaves, the backup was made with %d", lg.Origin, there[lg.Origin], lg.Size)
		}
	}
	data := map[string]any{
		"scope": "store", "source": dir, "by": by, "verified": true, "created": r.Backup.Created.Format(time.RFC3339),
		"sha256": r.Backup.SHA256, "logs": r.Logs, "leaves": r.Leaves,
	}
	if err := a.Ledger.Record(ctx, event.TypeRestorePerformed, data); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}
