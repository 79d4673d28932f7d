package main

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/shared/cli"
)

// brokerAddress refuses what is no address, without repeating a password in it.
func brokerAddress(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || !slices.Contains([]string{"ssl", "tcp", "mqtts", "mqtt", "tls"}, u.Scheme):
		return cli.Usage("the broker's address must be ssl://host:8883 or tcp://host:1883")
	case u.User != nil:
		return cli.Usage("the broker's address holds a password; use --user and --password-file")
	}
	return nil
}

func (a *app) mqttCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mqtt", Short: "Look at MQTT brokers"}
	var user, passwordFile, ca, filter string
	var listen time.Duration
	sniff := &cobra.Command{Use: "sniff URL", Short: "List topics and print configuration for them", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := brokerAddress(args[0]); err != nil {
			return err
		}
		s := config.MQTT{Name: "broker", Broker: args[0], QoS: 1, Auth: config.Auth{User: user, PasswordFile: passwordFile}, TLS: config.TLS{CA: ca}}
		found, err := mqtt.Sniff(cmd.Context(), s, mqtt.Options{Station: "sniff", AgentID: "sniff", Logger: cli.Logger(cmd.ErrOrStderr(), "warn")}, filter, listen)
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
