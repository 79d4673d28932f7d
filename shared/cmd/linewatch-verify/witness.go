package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/witness"
)

const witnessUsage = `linewatch-verify witness --name NAME --key FILE --state FILE --trust FILE [--listen ADDR]

Runs a minimal witness (C2SP tlog-witness): it cosigns the checkpoints of an
aggregator's own logs, each only when it extends the one before, and so keeps the
aggregator from showing one ledger to some and another to others.

Run it where the aggregator's administrators have no access: at the works council,
the insurer, another plant. The trust file names the aggregators to follow, one a
line:  ledger <instance> <base64 key>  (linewatch-aggregator trust prints it).

The key is made when the file is not there. The state must never be put back from
a backup: a witness that forgot can be made to confirm two histories. When the
state is lost, take a new key. Stop it with Ctrl-C or SIGTERM.

`

// witnessFlags are what the command line says.
type witnessFlags struct{ name, key, state, trust, listen, cert, certKey string }

func runWitness(args []string, out, errOut io.Writer) int {
	var f witnessFlags
	flags := flag.NewFlagSet("linewatch-verify witness", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprint(errOut, witnessUsage); flags.PrintDefaults() }
	flags.StringVar(&f.name, "name", "", "`NAME` of the cosignatures, for example witness.works-council")
	flags.StringVar(&f.key, "key", "", "`FILE` of the private key (PEM, 0600); made when it is not there")
	flags.StringVar(&f.state, "state", "", "`FILE` that remembers the newest checkpoints")
	flags.StringVar(&f.trust, "trust", "", "trust `FILE` whose ledger lines say which aggregators to follow")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8447", "`ADDRESS` and port")
	flags.StringVar(&f.cert, "tls-cert", "", "`FILE` with a certificate (PEM) for HTTPS")
	flags.StringVar(&f.certKey, "tls-key", "", "`FILE` with its private key")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitAnchored
	case err != nil:
		return exitUsage
	case flags.NArg() > 0 || f.name == "" || f.key == "" || f.state == "" || f.trust == "" || (f.cert == "") != (f.certKey == ""):
		flags.Usage()
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := f.serve(ctx, out); err != nil {
		fmt.Fprintln(errOut, "linewatch-verify witness:", err)
		return exitUsage
	}
	return exitAnchored
}

// serve answers until ctx ends.
func (f witnessFlags) serve(ctx context.Context, out io.Writer) error {
	w, line, err := f.open()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(witness.Path, w)
	srv := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	fmt.Fprintf(out, "witness %s listens on %s\nfor trust files:  %s\n", f.name, l.Addr(), line)
	done := make(chan error, 1)
	go func() {
		if f.cert != "" {
			done <- srv.ServeTLS(l, f.cert, f.certKey)
			return
		}
		done <- srv.Serve(l)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = srv.Shutdown(last)
	<-done
	return err
}

// open reads key, state and the ledgers to follow, and returns the line with which
// others trust this witness.
func (f witnessFlags) open() (*witness.Witness, string, error) {
	trust, err := readTrust(f.trust)
	if err != nil {
		return nil, "", err
	}
	if len(trust.Ledgers) == 0 {
		return nil, "", fmt.Errorf("%s names no ledger to follow: it needs a line  ledger <instance> <base64 key>", f.trust)
	}
	keys := map[string][]evidence.KeyRange{}
	for instance, list := range trust.Ledgers {
		for _, k := range list {
			keys[instance] = append(keys[instance], evidence.KeyRange{Key: k})
		}
	}
	if err := witness.Fresh(f.key, f.state); err != nil {
		return nil, "", err
	}
	key, err := identity.LoadOrNewSigningKey(f.key)
	if err != nil {
		return nil, "", err
	}
	w, err := witness.New(witness.Options{Name: f.name, Key: key, File: f.state, Keys: witness.Ledgers(keys)})
	if err != nil {
		return nil, "", err
	}
	return w, fmt.Sprintf("witness %s %s", f.name, base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))), nil
}
