package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// MosquittoConfig says what a broker shall be like; the zero value is Mosquitto
// as it comes (queue of 1,000, 20 in flight), open to anonymous clients.
type MosquittoConfig struct {
	// Text is added to the configuration file, e.g. "max_queued_messages 100000".
	Text string
	// Users are names and passwords; with any, anonymous clients are refused.
	Users map[string]string
	// TLS serves with a certificate for 127.0.0.1 and localhost, see Broker.CAFile.
	TLS bool
}

// Broker is a running Mosquitto. Its sessions and queues survive Stop and Start;
// Kill loses what was not yet in the persistence file (see autosave_interval).
type Broker struct {
	// URL is tcp://127.0.0.1:port or ssl://127.0.0.1:port.
	URL  string
	Port int
	// CAFile is the PEM file to trust when the broker serves TLS.
	CAFile string
	// Dir holds the configuration, the persistence file and the log.
	Dir string

	program string
	mu      sync.Mutex
	g       *guarded
}

// Mosquitto starts a broker and waits until it answers. It ends with the test.
func Mosquitto(t testing.TB, cfg MosquittoConfig) *Broker {
	t.Helper()
	path, err := program("mosquitto", "apt-get install mosquitto", "/usr/sbin")
	if err != nil {
		t.Fatalf("peertest: %v", err)
	}
	b := &Broker{Dir: t.TempDir(), program: path, Port: FreePort(t)}
	b.configure(t, cfg)
	b.Start(t)
	t.Cleanup(func() { b.Stop(t) })
	return b
}

func (b *Broker) configure(t testing.TB, cfg MosquittoConfig) {
	t.Helper()
	text := fmt.Sprintf("listener %d 127.0.0.1\npersistence true\npersistence_location %s/\n"+
		"log_dest stderr\n", b.Port, b.Dir)
	if os.Geteuid() == 0 {
		text += "user root\n" // else it changes to a user that may not write our folder
	}
	if len(cfg.Users) == 0 {
		text += "allow_anonymous true\n"
	} else {
		text += "allow_anonymous false\npassword_file " + b.passwords(t, cfg.Users) + "\n"
	}
	b.URL = fmt.Sprintf("tcp://127.0.0.1:%d", b.Port)
	if cfg.TLS {
		ca, cert, key := serverCertificate(t, b.Dir)
		b.CAFile = ca
		b.URL = fmt.Sprintf("ssl://127.0.0.1:%d", b.Port)
		text += fmt.Sprintf("certfile %s\nkeyfile %s\n", cert, key)
	}
	text += strings.TrimSpace(cfg.Text) + "\n"
	if err := os.WriteFile(b.file("mosquitto.conf"), []byte(text), 0o600); err != nil {
		t.Fatalf("peertest: Mosquitto: %v", err)
	}
}

func (b *Broker) file(name string) string { return filepath.Join(b.Dir, name) }

// passwords makes a password file with Mosquitto's own tool.
func (b *Broker) passwords(t testing.TB, users map[string]string) string {
	t.Helper()
	tool, err := program("mosquitto_passwd", "apt-get install mosquitto")
	if err != nil {
		t.Fatalf("peertest: %v", err)
	}
	var text strings.Builder
	for name, password := range users {
		fmt.Fprintf(&text, "%s:%s\n", name, password)
	}
	file := b.file("passwords")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatalf("peertest: Mosquitto: %v", err)
	}
	if out, err := exec.Command(tool, "-U", file).CombinedOutput(); err != nil {
		t.Fatalf("peertest: Mosquitto: hash the passwords: %v\n%s", err, out)
	}
	return file
}

// Start starts the broker if it does not run, on the same port with the sessions
// of its persistence file.
func (b *Broker) Start(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.g != nil && !b.g.ended() {
		return
	}
	g, err := guard(b.file("log"), b.file("pid"), "TERM", "", nil, b.program, "-c", b.file("mosquitto.conf"))
	if err != nil {
		t.Fatalf("peertest: Mosquitto: %v", err)
	}
	if err := waitFor(g, func() error { return answers(b.Port) }); err != nil {
		g.stop()
		t.Fatalf("peertest: Mosquitto: %v\n%s", err, tail(b.file("log")))
	}
	b.g = g
}

// Stop ends the broker as a service manager does; it writes its persistence file.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.g != nil {
		b.g.stop()
		b.g = nil
	}
}

// Kill ends the broker at once, as a power cut does.
func (b *Broker) Kill(t testing.TB) {
	t.Helper()
	b.signal(t, syscall.SIGKILL)
	b.Stop(t)
}

func (b *Broker) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	b.mu.Lock()
	g := b.g
	b.mu.Unlock()
	if g == nil {
		t.Fatalf("peertest: Mosquitto does not run")
	}
	pid, err := readPID(g, b.file("pid"))
	if err == nil {
		err = signalPID(pid, sig)
	}
	if err != nil {
		t.Fatalf("peertest: Mosquitto: signal: %v", err)
	}
}

// Log returns the end of the broker's log.
func (b *Broker) Log() string { return tail(b.file("log")) }
