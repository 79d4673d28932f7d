package main

import "github.com/spf13/cobra"

// keysCommand groups what manages the aggregator's keys.
func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "The aggregator's keys: list, rotate, revoke; vault: those of sealed fields"}
	cmd.AddCommand(a.vaultCommand())
	cmd.AddCommand(a.signingCommands()...)
	return cmd
}
