package enrol

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// PrepareImage strips the identity and the journal from a master disk before it
// is copied, so that each copy enrols as a station of its own. unsent is the
// number of leaves without a receipt: with any, nothing is removed unless force.
func PrepareImage(dataDir string, unsent uint64, force bool) ([]string, error) {
	if unsent > 0 && !force {
		return nil, fmt.Errorf("prepare-image: %d events are not forwarded yet and would be lost; let the agent send them, or say --force", unsent)
	}
	var removed []string
	old, err := filepath.Glob(folder(dataDir) + ".replaced-*")
	if err != nil {
		return nil, err
	}
	for _, p := range append(old, folder(dataDir), fresh(dataDir), filepath.Join(dataDir, "journal"), filepath.Join(dataDir, "control.sock"),
		// Each station needs an application certificate of its own.
		filepath.Join(dataDir, "pki", "own")) {
		if _, err := os.Lstat(p); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := os.RemoveAll(p); err != nil {
			return removed, fmt.Errorf("prepare-image: %w", err)
		}
		removed = append(removed, p)
	}
	return removed, nil
}
