package identity

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// systemFacts reads what Windows tells about the machine.
func systemFacts() map[string]string {
	raw := map[string]string{}
	if v := registryText(`SOFTWARE\Microsoft\Cryptography`, "MachineGuid"); v != "" {
		raw[FactMachine] = v
	}
	// The hardware configuration is named after the SMBIOS UUID.
	if v := registryText(`SYSTEM\HardwareConfig`, "LastConfig"); v != "" {
		raw[FactSMBIOS] = v
	}
	if v := diskSerial(); v != "" {
		raw[FactDisk] = v
	}
	return raw
}

func registryText(path, name string) string {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer key.Close()
	v, _, err := key.GetStringValue(name)
	if err != nil {
		return ""
	}
	return v
}

// IOCTL_STORAGE_QUERY_PROPERTY and the head of STORAGE_DEVICE_DESCRIPTOR, from
// winioctl.h.
const ioctlStorageQueryProperty = 0x002d1400

type storageQuery struct {
	PropertyID uint32
	QueryType  uint32
	Extra      [1]byte
}

type storageDescriptor struct {
	Version, Size         uint32
	DeviceType, Modifier  byte
	RemovableMedia, Queue byte
	VendorOffset          uint32
	ProductOffset         uint32
	RevisionOffset        uint32
	SerialOffset          uint32
}

// diskSerial asks the first disk for its serial number; no rights are needed for
// the question.
func diskSerial() string {
	path, err := windows.UTF16PtrFromString(`\\.\PhysicalDrive0`)
	if err != nil {
		return ""
	}
	disk, err := windows.CreateFile(path, 0, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(disk)
	var query storageQuery
	answer := make([]byte, 1024)
	var n uint32
	err = windows.DeviceIoControl(disk, ioctlStorageQueryProperty, (*byte)(unsafe.Pointer(&query)), uint32(unsafe.Sizeof(query)), &answer[0], uint32(len(answer)), &n, nil)
	if err != nil || n < uint32(unsafe.Sizeof(storageDescriptor{})) {
		return ""
	}
	offset := (*storageDescriptor)(unsafe.Pointer(&answer[0])).SerialOffset
	if offset == 0 || offset >= n {
		return ""
	}
	serial, _, _ := strings.Cut(string(answer[offset:n]), "\x00")
	return strings.TrimSpace(serial)
}

// builtIn takes each card: Windows has no plain way to tell; burnt-in addresses
// of virtual ones are locally administered in most cases.
func builtIn(string) bool { return true }

// Boot returns the id of the system's current start and the time since then.
func Boot() (id string, monotonic time.Duration) {
	monotonic = windows.DurationSinceBoot()
	id = "unknown"
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters`, registry.QUERY_VALUE)
	if err != nil {
		return id, monotonic
	}
	defer key.Close()
	if n, _, err := key.GetIntegerValue("BootId"); err == nil {
		id = fmt.Sprintf("boot-%d", n)
	}
	return id, monotonic
}
