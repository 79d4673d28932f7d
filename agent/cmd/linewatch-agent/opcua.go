package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua"
	"github.com/linewatch/linewatch/shared/cli"
)

// target is an OPC UA server named on the command line: a source of agent.yaml by
// its name, or an address with flags.
type target struct {
	policy, mode, user, passwordFile, pki string
	insecure                              bool
	open                                  bool // the question needs no certificates
}

func (t *target) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.policy, "policy", "Basic256Sha256", "security policy")
	f.StringVar(&t.mode, "mode", "SignAndEncrypt", "security mode")
	f.BoolVar(&t.insecure, "insecure", false, "connect without security (policy and mode None)")
	f.StringVar(&t.user, "user", "", "user name")
	f.StringVar(&t.passwordFile, "password-file", "", "file with the password")
	f.StringVar(&t.pki, "pki", "", "folder of certificates (default: of agent.yaml)")
}

// server makes the configuration and options for a name of agent.yaml or a URL.
func (a *app) server(cmd *cobra.Command, t *target, what string) (config.OPCUA, opcua.Options, error) {
	cfg, err := a.config()
	opts := opcua.Options{PKI: t.pki, Logger: cli.Logger(cmd.ErrOrStderr(), "warn")}
	if err == nil {
		opts.Station, opts.Dir = cfg.Station, cfg.Dir
		if opts.PKI == "" {
			opts.PKI = agent.PKIDir(cfg)
		}
	}
	if !strings.HasPrefix(what, "opc.tcp://") {
		if err != nil {
			return config.OPCUA{}, opts, err
		}
		for _, s := range cfg.OPCUA {
			if s.Name == what {
				return s, opts, nil
			}
		}
		return config.OPCUA{}, opts, cli.Usage("%s is neither an address opc.tcp://host:port nor an opcua source of %s", what, a.file)
	}
	if opts.PKI == "" && !t.open {
		return config.OPCUA{}, opts, cli.Usage("name the folder of certificates with --pki, or the configuration with --config")
	}
	s := config.OPCUA{
		Name: "server", Endpoint: what, AllowInsecure: t.insecure, Auth: config.Auth{User: t.user, PasswordFile: t.passwordFile},
		Security: config.OPCUASecurity{Policy: t.policy, Mode: t.mode},
	}
	if t.insecure {
		s.Security = config.OPCUASecurity{Policy: "None", Mode: "None"}
	}
	return s, opts, nil
}

func (a *app) opcuaCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "opcua", Short: "Look at OPC UA servers: endpoints, trust, browse, watch"}
	cmd.AddCommand(a.endpoints(), a.trust(), a.browse(), a.watch())
	return cmd
}

func (a *app) endpoints() *cobra.Command {
	t := &target{open: true}
	cmd := &cobra.Command{Use: "endpoints NAME|URL", Short: "What a server offers (nothing of it is authenticated)", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		s, opts, err := a.server(cmd, t, args[0])
		if err != nil {
			return err
		}
		list, err := opcua.Endpoints(cmd.Context(), s.Endpoint, opts)
		if err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), list)
		}
		var rows [][]string
		for _, e := range list {
			state := "no certificate"
			if e.Certificate != nil {
				state = "trusted"
				if e.Certificate.Refusal != "" {
					state = "not accepted: " + e.Certificate.Refusal
				}
			}
			rows = append(rows, []string{e.Policy, e.Mode, strings.Join(e.Users, " "), e.URL, state})
		}
		return cli.Table(cmd.OutOrStdout(), []string{"POLICY", "MODE", "USERS", "URL", "CERTIFICATE"}, rows)
	}}
	t.flags(cmd)
	return cmd
}

func (a *app) trust() *cobra.Command {
	t := &target{}
	var print string
	cmd := &cobra.Command{Use: "trust NAME|URL", Short: "Show a server's certificate and trust it after comparing its fingerprint", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		s, opts, err := a.server(cmd, t, args[0])
		if err != nil {
			return err
		}
		files, err := opcua.Trust(cmd.Context(), s.Endpoint, opts, func(c opcua.Certificate) bool { return a.accept(cmd, c, print) })
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("nothing was trusted")
		}
		return cli.Done(cmd.OutOrStdout(), a.json, map[string]any{"trusted": files}, "trusted: %s", strings.Join(files, "\ntrusted: "))
	}}
	t.flags(cmd)
	cmd.Flags().StringVar(&print, "sha256", "", "trust the certificate with this fingerprint without asking")
	return cmd
}

func (a *app) accept(cmd *cobra.Command, c opcua.Certificate, print string) bool {
	out := cmd.ErrOrStderr()
	fmt.Fprintf(out, "subject      %s\nissuer       %s\napplication  %s\nvalid        %s to %s, %d bits\nSHA-256      %s\nSHA-1        %s\n",
		c.Subject, c.Issuer, c.ApplicationURI, c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), c.Bits, c.SHA256, c.SHA1)
	if print != "" {
		clean := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(print))
		if clean != c.SHA256 {
			fmt.Fprintln(out, "this is not the fingerprint that was named")
			return false
		}
		return true
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		fmt.Fprintln(out, "compare the fingerprint with the server's own screen, then: --sha256", c.SHA256)
		return false
	}
	fmt.Fprint(out, "the same as on the server's own screen? trust it (yes/no): ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

func (a *app) browse() *cobra.Command {
	t := &target{}
	var where opcua.BrowseOptions
	var asCSV bool
	cmd := &cobra.Command{Use: "browse NAME|URL [PATH]", Short: "List variables as ready configuration", Args: cobra.RangeArgs(1, 2), RunE: func(cmd *cobra.Command, args []string) error {
		s, opts, err := a.server(cmd, t, args[0])
		if err != nil {
			return err
		}
		if len(args) == 2 {
			where.Path = args[1]
		}
		found, err := opcua.Browse(cmd.Context(), s, opts, where)
		if err != nil {
			return err
		}
		switch {
		case a.json:
			return cli.JSON(cmd.OutOrStdout(), found)
		case asCSV:
			return opcua.CSV(cmd.OutOrStdout(), found)
		}
		fmt.Fprint(cmd.OutOrStdout(), opcua.YAML(s, found))
		return nil
	}}
	t.flags(cmd)
	cmd.Flags().IntVar(&where.Depth, "depth", 5, "levels below the path")
	cmd.Flags().IntVar(&where.Max, "max", 1000, "most variables")
	cmd.Flags().BoolVar(&where.Standard, "standard", false, "also what every server has")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "CSV instead of YAML")
	return cmd
}

func (a *app) watch() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{Use: "watch NAME", Short: "Print the values of a configured source as they change, until Ctrl-C", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		s, opts, err := a.server(cmd, t, args[0])
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		err = opcua.Watch(cmd.Context(), s, opts, func(r source.Reading) { showReading(cmd.Context(), out, r, a.json) })
		if cmd.Context().Err() != nil {
			return nil
		}
		return err
	}}
	t.flags(cmd)
	return cmd
}

type printer interface{ Write([]byte) (int, error) }

func showReading(_ context.Context, out printer, r source.Reading, asJSON bool) {
	if o := r.Occurrence; o != nil {
		text, _ := json.Marshal(o.Data)
		if asJSON {
			text, _ = json.Marshal(map[string]any{"event_type": o.Type, "event_data": json.RawMessage(text), "received_at": r.ReceivedAt})
			fmt.Fprintln(out, string(text))
			return
		}
		fmt.Fprintf(out, "%s  %s %s\n", r.ReceivedAt.Format("15:04:05.000"), o.Type, text)
		return
	}
	if asJSON {
		text, _ := json.Marshal(map[string]any{"item": r.Point.Item, "value": r.Value, "quality": r.Quality, "source_time": r.SourceTime})
		fmt.Fprintln(out, string(text))
		return
	}
	name := r.Point.Signal
	if name == "" {
		name = r.Point.Item
	}
	fmt.Fprintf(out, "%s  %-30s %v %s", r.SourceTime.Format("15:04:05.000"), name, r.Value, r.Point.Unit)
	if r.Quality != 0 {
		fmt.Fprintf(out, "  (0x%08X)", r.Quality)
	}
	fmt.Fprintln(out)
}
