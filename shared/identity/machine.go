// Package identity says who a station is and keeps what proves it: the facts of
// the machine, keys in files, enrolment tokens, and the small certificate
// authority of the aggregator.
package identity

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names of the facts of a machine.
const (
	FactSMBIOS  = "smbios_uuid" // of the main board
	FactDisk    = "disk_serial" // of the first built-in disk
	FactMAC     = "mac"         // the lowest address of the built-in network cards
	FactMachine = "machine_id"  // of the operating system: copied with a disk
)

// Facts are what distinguishes a machine, hashed: name -> 64 hex digits. An IP
// address is none of them, because cells of a plant repeat theirs.
type Facts map[string]string

// MinAgree is how many recorded facts must hold for a machine to be the same.
const MinAgree = 2

// Agree compares the facts of today with those recorded at enrolment: known is
// the number of recorded facts that can be read today, agree how many of these
// are equal.
func (f Facts) Agree(recorded Facts) (agree, known int) {
	for name, hash := range recorded {
		if now, ok := f[name]; ok {
			known++
			if now == hash {
				agree++
			}
		}
	}
	return agree, known
}

// Names lists the names of the facts in order.
func (f Facts) Names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Machine reads the facts of this machine. With a file they come from its lines
// "name=value" instead (tests, the demo). What only root may read can be handed
// over by systemd's LoadCredential: files in $CREDENTIALS_DIRECTORY with the
// names of the facts go before what this process reads itself.
func Machine(ctx context.Context, file string) (Facts, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("facts of the machine: %w", err)
	}
	raw := map[string]string{}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("facts of the machine: %w", err)
		}
		if raw, err = readFacts(text); err != nil {
			return nil, fmt.Errorf("facts of the machine: %s: %w", file, err)
		}
		return hashFacts(raw), nil
	}
	for name, value := range systemFacts() {
		raw[name] = value
	}
	if mac := lowestMAC(); mac != "" {
		raw[FactMAC] = mac
	}
	for name, value := range credentials(os.Getenv("CREDENTIALS_DIRECTORY")) {
		raw[name] = value
	}
	return hashFacts(raw), nil
}

func factNames() []string { return []string{FactSMBIOS, FactDisk, FactMAC, FactMachine} }

// readFacts reads lines "name=value" or "name: value"; # starts a comment.
func readFacts(text []byte) (map[string]string, error) {
	raw := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.IndexAny(line, "=:")
		if i < 0 {
			return nil, fmt.Errorf("line %d: not name=value", n)
		}
		name := strings.TrimSpace(line[:i])
		if !slices.Contains(factNames(), name) {
			return nil, fmt.Errorf("line %d: %q is none of %s", n, name, strings.Join(factNames(), ", "))
		}
		raw[name] = line[i+1:]
	}
	return raw, lines.Err()
}

// credentials reads the facts that systemd handed over, none without a folder.
func credentials(dir string) map[string]string {
	raw := map[string]string{}
	if dir == "" {
		return raw
	}
	for _, name := range factNames() {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			raw[name] = string(text)
		}
	}
	return raw
}

func hashFacts(raw map[string]string) Facts {
	facts := Facts{}
	for name, value := range raw {
		value = strings.ToLower(strings.TrimSpace(value))
		if name == FactSMBIOS || name == FactMachine {
			value = strings.Trim(value, "{}")
		}
		if placeholder(value) {
			continue
		}
		sum := sha256.Sum256([]byte("linewatch machine fact\n" + name + "\n" + value))
		facts[name] = hex.EncodeToString(sum[:])
	}
	return facts
}

// placeholder reports values that many machines share: boards whose maker filled
// nothing in, images before their first start.
func placeholder(value string) bool {
	switch value {
	case "", "uninitialized", "none", "default string", "to be filled by o.e.m.", "system serial number", "not specified",
		"03000200-0400-0500-0006-000700080009":
		return true
	}
	bare := strings.NewReplacer("-", "", ":", "", " ", "").Replace(value)
	return strings.Trim(bare, "0") == "" || strings.Trim(bare, "f") == ""
}

// lowestMAC returns the lowest burnt-in address of the network cards of the
// machine, "" for none. Locally administered addresses (bridges, containers,
// VPNs) change and do not count.
func lowestMAC() string {
	cards, err := net.Interfaces()
	if err != nil {
		return ""
	}
	var addresses []string
	for _, c := range cards {
		if len(c.HardwareAddr) == 6 && c.HardwareAddr[0]&3 == 0 && c.Flags&net.FlagLoopback == 0 && builtIn(c.Name) {
			addresses = append(addresses, c.HardwareAddr.String())
		}
	}
	if len(addresses) == 0 {
		return ""
	}
	return slices.Min(addresses)
}
