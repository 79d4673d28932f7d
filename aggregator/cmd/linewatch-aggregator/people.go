package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) userCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Add, list, disable people and set passwords"}
	cmd.AddCommand(a.userAdd(), a.userList(), a.userPassword(), a.userState("disable", "Take a user's access away", true), a.userState("enable", "Give it back", false))
	return cmd
}

func (a *app) userAdd() *cobra.Command {
	var u store.User
	var passwordFile string
	cmd := &cobra.Command{
		Use: "add --name anna --role maintenance --scope 'hamburg/body/**'", Short: "Add a person", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if u.Name == "" {
				return cli.Usage("--name is needed")
			}
			if err := errors.Join(checkRoles(u.Roles), checkSeen(u.Scope)); err != nil {
				return &cli.ExitError{Code: cli.ExitUsage, Err: err}
			}
			password, err := cli.Secret("password of "+u.Name, "--password-file", passwordFile, cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			u.Created = time.Now().UTC()
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				if err := warnUnknown(cmd, ctx, agg, u.Scope); err != nil {
					return err
				}
				if err := agg.SaveUser(ctx, u, password, who()); err != nil {
					return err
				}
				return a.done(cmd, map[string]any{"user": u.Name, "state": "added", "roles": u.Roles, "scope": u.Scope},
					"added %s (%s), sees %s", u.Name, strings.Join(u.Roles, ", "), strings.Join(u.Scope, " "))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&u.Name, "name", "", "name to sign in with")
	f.StringVar(&u.Display, "display", "", "name shown to others")
	f.StringSliceVar(&u.Roles, "role", nil, "roles: "+strings.Join(rights.Roles(), ", "))
	f.StringSliceVar(&u.Scope, "scope", []string{"**"}, "stations the person sees")
	f.StringVar(&passwordFile, "password-file", "", "file with the password (- for standard input)")
	return cmd
}

func (a *app) userList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List people", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			list, err := agg.Store.Users(ctx)
			if err != nil {
				return err
			}
			type shown struct {
				Name     string   `json:"name"`
				Display  string   `json:"display"`
				Roles    []string `json:"roles"`
				Scope    []string `json:"scope"`
				Disabled bool     `json:"disabled"`
			}
			people := []shown{}
			var rows [][]string
			for _, u := range list {
				if u.Deleted {
					continue
				}
				state := ""
				if u.Disabled {
					state = "disabled"
				}
				people = append(people, shown{u.Name, u.Display, u.Roles, u.Scope, u.Disabled})
				rows = append(rows, []string{u.Name, u.Display, strings.Join(u.Roles, " "), strings.Join(u.Scope, " "), state})
			}
			if a.json {
				return cli.JSON(cmd.OutOrStdout(), people)
			}
			return cli.Table(cmd.OutOrStdout(), []string{"NAME", "DISPLAY", "ROLES", "SCOPE", "STATE"}, rows)
		})
	}}
}

func (a *app) userPassword() *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "password NAME", Short: "Set a person's password", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		password, err := cli.Secret("new password of "+args[0], "--password-file", file, cmd.InOrStdin(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.SetPassword(ctx, args[0], password, who()); err != nil {
				return err
			}
			return a.done(cmd, map[string]string{"user": args[0], "state": "password set"}, "password set")
		})
	}}
	cmd.Flags().StringVar(&file, "password-file", "", "file with the password (- for standard input)")
	return cmd
}

func (a *app) userState(use, short string, disabled bool) *cobra.Command {
	return &cobra.Command{Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.SetDisabled(ctx, args[0], disabled, who()); err != nil {
				return err
			}
			return a.done(cmd, map[string]string{"user": args[0], "state": use + "d"}, "%s: %sd", args[0], use)
		})
	}}
}
