package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make, list and revoke tokens"}
	cmd.AddCommand(a.tokenAgent(), a.tokenAPI(), a.tokenList(), a.tokenRevoke())
	return cmd
}

// span is a duration flag that also takes days: 14d.
type span time.Duration

func (s *span) Type() string { return "duration" }

// String is what --help shows as the default: whole days as days.
func (s *span) String() string {
	const day = 24 * time.Hour
	if d := time.Duration(*s); d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return time.Duration(*s).String()
}

func (s *span) Set(text string) error {
	d, err := conf.ParseDuration(text)
	*s = span(d)
	return err
}

func (a *app) tokenAgent() *cobra.Command {
	spec := enrol.TokenSpec{Kind: "agent", By: who()}
	valid := span(14 * 24 * time.Hour)
	var assign string
	cmd := &cobra.Command{
		Use: "agent --scope 'hamburg/body/**'", Short: "Token with which agents enrol; printed once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec.Valid = time.Duration(valid)
			if len(spec.Scope) == 0 && assign == "" {
				return cli.Usage("--scope is needed: the stations that the agents may speak for, such as 'hamburg/body/**'")
			}
			if spec.Uses != -1 && spec.Uses < 1 {
				return cli.Usage("--uses %d: 1 or more agents, or -1 for any number", spec.Uses)
			}
			if err := checkScope(spec.Scope); err != nil {
				return err
			}
			var err error
			if assign != "" {
				if spec.Assign, err = readAssign(assign); err != nil {
					return err
				}
				if !cmd.Flags().Changed("uses") {
					spec.Uses = len(spec.Assign)
				}
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				return a.printAgentToken(cmd, ctx, agg, spec)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&spec.Scope, "scope", nil, "stations the agents may speak for")
	f.IntVar(&spec.Uses, "uses", 1, "how many agents may enrol with it; -1 without limit")
	f.Var(&valid, "valid", "how long it can be used")
	f.StringVar(&assign, "assign", "", "CSV file with lines host,station: which PC becomes which station")
	f.StringVar(&spec.Name, "name", "", "what it is for")
	f.BoolVar(&spec.Approve, "approve", false, "each enrolment waits for approval")
	return cmd
}

func (a *app) printAgentToken(cmd *cobra.Command, ctx context.Context, agg *aggregator.Aggregator, spec enrol.TokenSpec) error {
	if len(agg.Config.Agents.URLs) == 0 {
		return cli.Usage("agents.urls in aggregator.yaml is empty: agents could not find this aggregator")
	}
	secret, t, err := agg.Enrol.CreateToken(ctx, spec)
	if err != nil {
		return err
	}
	token := identity.Token{URLs: agg.Config.Agents.URLs, CAPin: agg.CA.Pin(), Secret: secret}
	text := token.Encode()
	out := cmd.OutOrStdout()
	if a.json {
		return cli.JSON(out, map[string]any{"token": text, "urls": token.URLs, "scope": t.Scope, "uses": t.Uses, "expires": t.Expires})
	}
	// The token alone goes to standard output, so that > file holds just it.
	fmt.Fprintln(out, text)
	fmt.Fprintf(cmd.ErrOrStderr(), "good for %s, stations %s, until %s; put it in a file on the station, then:\n  linewatch-agent enrol --config agent.yaml --token-file FILE\n",
		uses(t.Uses), strings.Join(t.Scope, " "), t.Expires.UTC().Format(time.RFC3339))
	return nil
}

func uses(n int) string {
	if n < 0 {
		return "any number of agents"
	}
	return strconv.Itoa(n) + " agent(s)"
}

// readAssign reads host,station lines; every mistake is named with its line.
func readAssign(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = 2, '#', true
	list := map[string]string{}
	var faults []error
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := r.FieldPos(0)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", file, err))
			if _, ok := errors.AsType[*csv.ParseError](err); !ok {
				return nil, errors.Join(faults...)
			}
		case event.ValidStation(rec[1]) != nil:
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, line, event.ValidStation(rec[1])))
		case list[rec[0]] != "":
			faults = append(faults, fmt.Errorf("%s:%d: host %s has a station already", file, line, rec[0]))
		default:
			list[rec[0]] = rec[1]
		}
	}
	if len(list) == 0 && len(faults) == 0 {
		faults = append(faults, fmt.Errorf("%s: has no line host,station", file))
	}
	return list, errors.Join(faults...)
}

func (a *app) tokenAPI() *cobra.Command {
	spec := enrol.TokenSpec{Kind: "api", By: who()}
	valid := span(365 * 24 * time.Hour)
	cmd := &cobra.Command{
		Use: "api --role auditor", Short: "Bearer token for programs; printed once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec.Valid = time.Duration(valid)
			if err := checkRoles(spec.Roles); err != nil {
				return err
			}
			if err := checkSeen(spec.Scope); err != nil {
				return err
			}
			if spec.Name == "" {
				spec.Name = "api-" + strings.Join(spec.Roles, "-")
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				if err := warnUnknown(cmd, ctx, agg, spec.Scope); err != nil {
					return err
				}
				secret, t, err := agg.Enrol.CreateToken(ctx, spec)
				if err != nil {
					return err
				}
				if a.json {
					return cli.JSON(cmd.OutOrStdout(), map[string]any{"token": secret, "roles": t.Roles, "scope": t.Scope, "expires": t.Expires})
				}
				fmt.Fprintln(cmd.OutOrStdout(), secret)
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&spec.Roles, "role", nil, "roles: "+strings.Join(rights.Roles(), ", "))
	f.StringSliceVar(&spec.Scope, "scope", []string{"**"}, "stations it may see")
	f.StringVar(&spec.Name, "name", "", "what it is for")
	f.Var(&valid, "valid", "how long it can be used")
	return cmd
}

func checkRoles(roles []string) error {
	if len(roles) == 0 {
		return cli.Usage("--role is needed: %s", strings.Join(rights.Roles(), ", "))
	}
	for _, r := range roles {
		known := false
		for _, k := range rights.Roles() {
			known = known || k == r
		}
		if !known {
			return cli.Usage("there is no role %q; roles are %s", r, strings.Join(rights.Roles(), ", "))
		}
	}
	return nil
}

func (a *app) tokenList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List tokens (never their secrets)", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			list, err := agg.Store.Tokens(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return cli.JSON(cmd.OutOrStdout(), append([]store.Token{}, list...)) // none: an empty list, not null
			}
			rows := make([][]string, len(list))
			for i, t := range list {
				state := "good"
				switch {
				case t.Revoked:
					state = "revoked"
				case !t.Expires.IsZero() && time.Now().After(t.Expires):
					state = "expired"
				case t.Uses == 0:
					state = "used up"
				}
				rows[i] = []string{t.Hash[:12], t.Kind, t.Name, strings.Join(t.Scope, " "), strings.Join(t.Roles, " "), strconv.Itoa(t.Used), state, t.Expires.UTC().Format(time.DateOnly)}
			}
			return cli.Table(cmd.OutOrStdout(), []string{"ID", "KIND", "NAME", "SCOPE", "ROLES", "USED", "STATE", "UNTIL"}, rows)
		})
	}}
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{Use: "revoke ID", Short: "Revoke a token by its id of token list", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.Enrol.RevokeToken(ctx, args[0], who()); err != nil {
				return err
			}
			return a.done(cmd, map[string]string{"token": args[0], "state": "revoked"}, "revoked")
		})
	}}
}
