package carry

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/durable"
)

// WriteJSON puts a head or the index under path: whole, or not at all. It sets no
// permissions: the file systems of USB sticks know none and refuse.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err // names the file
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(path+".tmp")))
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
