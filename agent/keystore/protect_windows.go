package keystore

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// dpapi seals with the machine's key: the command enrol and the service run as
// different users. It protects a copied disk, not against an administrator of the
// running machine.
type dpapi struct{}

// available is DPAPI, which every Windows has.
func available() (protector, error) { return dpapi{}, nil }

const dpapiFlags = windows.CRYPTPROTECT_UI_FORBIDDEN | windows.CRYPTPROTECT_LOCAL_MACHINE

func (dpapi) kind() string { return kindDPAPI }

func (dpapi) seal(plain []byte) ([]byte, error) {
	var out windows.DataBlob
	if err := windows.CryptProtectData(blob(plain), nil, blob([]byte(entropy)), 0, nil, dpapiFlags, &out); err != nil {
		return nil, fmt.Errorf("CryptProtectData: %w", err)
	}
	return take(out)
}

func (dpapi) open(sealed []byte) ([]byte, error) {
	var out windows.DataBlob
	if err := windows.CryptUnprotectData(blob(sealed), nil, blob([]byte(entropy)), 0, nil, dpapiFlags, &out); err != nil {
		return nil, fmt.Errorf("CryptUnprotectData: %w", err)
	}
	return take(out)
}

const kindDPAPI = "dpapi"

// entropy keeps other programs' blobs and ours apart; it is no secret.
const entropy = "linewatch key file v1"

func blob(b []byte) *windows.DataBlob {
	if len(b) == 0 {
		return &windows.DataBlob{}
	}
	return &windows.DataBlob{Size: uint32(len(b)), Data: &b[0]}
}

// take copies what the system allocated, wipes it and gives it back.
func take(d windows.DataBlob) ([]byte, error) {
	src := unsafe.Slice(d.Data, d.Size)
	out := append([]byte(nil), src...)
	clear(src)
	_, err := windows.LocalFree(windows.Handle(unsafe.Pointer(d.Data)))
	return out, err
}
