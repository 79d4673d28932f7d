package identity

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// systemFacts reads what Linux tells about the machine; what this user may not
// read is left out.
func systemFacts() map[string]string {
	raw := map[string]string{}
	if text, err := os.ReadFile("/sys/class/dmi/id/product_uuid"); err == nil {
		raw[FactSMBIOS] = string(text)
	}
	if text, err := os.ReadFile("/etc/machine-id"); err == nil {
		raw[FactMachine] = string(text)
	}
	if serial := diskSerial("/sys/block", "/run/udev/data"); serial != "" {
		raw[FactDisk] = serial
	}
	return raw
}

// diskSerial returns the serial number of the first built-in disk that has one.
// udev's database is readable for everybody, the disk itself is not.
func diskSerial(blocks, udev string) string {
	disks, err := os.ReadDir(blocks)
	if err != nil {
		return ""
	}
	for _, d := range disks {
		dir := filepath.Join(blocks, d.Name())
		if _, err := os.Stat(filepath.Join(dir, "device")); err != nil || read(filepath.Join(dir, "removable")) == "1" {
			continue // loop, RAM, device mapper; a stick
		}
		// NVMe, eMMC and SCSI have it below device, virtio beside it.
		for _, path := range []string{"device/serial", "serial"} {
			if s := read(filepath.Join(dir, path)); s != "" {
				return s
			}
		}
		if s := udevSerial(filepath.Join(udev, "b"+read(filepath.Join(dir, "dev")))); s != "" {
			return s
		}
	}
	return ""
}

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func udevSerial(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "E:ID_SERIAL_SHORT="); ok {
			return v
		}
	}
	return ""
}

// builtIn reports whether a network card is hardware and not on USB.
func builtIn(card string) bool {
	target, err := os.Readlink(filepath.Join("/sys/class/net", card, "device"))
	return err == nil && !strings.Contains(target, "usb") && !strings.Contains(read(filepath.Join("/sys/class/net", card, "device", "uevent")), "DRIVER=usb")
}

// Boot returns the id of the system's current start and the time since then,
// suspended time included.
func Boot() (id string, monotonic time.Duration) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err == nil {
		monotonic = time.Duration(ts.Nano())
	}
	if id = read("/proc/sys/kernel/random/boot_id"); id == "" {
		id = "unknown"
	}
	return id, monotonic
}
