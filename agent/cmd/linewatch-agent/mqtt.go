package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) mqttCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mqtt", Short: "Look at MQTT brokers"}
	var user, passwordFile, ca, filter string
	var listen time.Duration
	sniff := &cobra.Command{Use: "sniff URL", Short: "List topics and print configuration for them", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		s := config.MQTT{Name: "broker", Broker: args[0], QoS: 1, Auth: config.Auth{User: user, PasswordFile: passwordFile}, TLS: config.TLS{CA: ca}}
		found, err := mqtt.Sniff(cmd.Context(), s, mqtt.Options{AgentID: "sniff", Logger: cli.Logger(cmd.ErrOrStderr(), "warn")}, filter, listen)
		if err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), found)
		}
		fmt.Fprint(cmd.OutOrStdout(), found.YAML())
		return nil
	}}
	f := sniff.Flags()
	f.StringVar(&user, "user", "", "user name")
	f.StringVar(&passwordFile, "password-file", "", "file with the password")
	f.StringVar(&ca, "ca", "", "CA certificates, PEM")
	f.StringVar(&filter, "filter", "#", "topic filter")
	f.DurationVar(&listen, "for", 10*time.Second, "how long to listen")
	cmd.AddCommand(sniff)
	return cmd
}
