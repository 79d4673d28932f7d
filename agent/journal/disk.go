package journal

import "os"

// DiskSize returns the size in bytes of the disk that holds dir, which is made
// when missing.
func DiskSize(dir string) (uint64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	total, _, err := diskSpace(dir)
	return uint64(total), err
}
