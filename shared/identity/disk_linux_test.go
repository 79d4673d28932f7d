package identity

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// put writes a file below a made-up /sys or /run/udev.
func put(t *testing.T, root, path, text string) {
	t.Helper()
	full := filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(t, os.WriteFile(full, []byte(text+"\n"), 0o644))
}

func TestTheSerialOfTheFirstBuiltInDiskIsFoundWithoutRoot(t *testing.T) {
	blocks, udev := t.TempDir(), t.TempDir()
	put(t, blocks, "loop0/removable", "0") // no disk of its own
	put(t, blocks, "sda/removable", "1")   // a stick
	put(t, blocks, "sda/device/model", "Stick")
	put(t, blocks, "sda/device/serial", "STICK")
	require.Empty(t, diskSerial(blocks, udev))
	put(t, blocks, "sdb/removable", "0")
	put(t, blocks, "sdb/device/vendor", "ATA")
	put(t, blocks, "sdb/dev", "8:16")
	require.Empty(t, diskSerial(blocks, udev), "udev does not know it")
	put(t, udev, "b8:16", "S:disk/by-id/x\nE:ID_SERIAL=Disk_S4EVNX\nE:ID_SERIAL_SHORT=S4EVNX")
	require.Equal(t, "S4EVNX", diskSerial(blocks, udev))
	put(t, blocks, "nvme0n1/removable", "0")
	put(t, blocks, "nvme0n1/device/serial", "  NV-7  ")
	require.Equal(t, "NV-7", diskSerial(blocks, udev))
	put(t, blocks, "asd/device/vendor", "0x1af4") // virtio
	put(t, blocks, "asd/serial", "VIRT-1")
	require.Equal(t, "VIRT-1", diskSerial(blocks, udev))
	require.Empty(t, diskSerial(filepath.Join(blocks, "absent"), udev))
}

func TestValuesThatManyMachinesShareAreNoFacts(t *testing.T) {
	facts := hashFacts(map[string]string{
		"a": "To Be Filled By O.E.M.", "b": "00000000-0000-0000-0000-000000000000", "c": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
		"d": "03000200-0400-0500-0006-000700080009", "e": " ", "f": "uninitialized\n", FactMAC: "00:00:00:00:00:00", FactDisk: "ok",
	})
	require.Equal(t, []string{FactDisk}, facts.Names())
}
