package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/shared/cli"
)

// broker makes the configuration and options for a name of agent.yaml or a URL.
func (a *app) broker(cmd *cobra.Command, what string, flags config.MQTT) (config.MQTT, mqtt.Options, error) {
	opts := mqtt.Options{Station: "sniff", AgentID: "sniff", Logger: cli.Logger(cmd.ErrOrStderr(), "warn")}
	if strings.Contains(what, "://") {
		flags.Name, flags.Broker, flags.QoS = "broker", what, 1
		return flags, opts, brokerAddress(what)
	}
	cfg, err := a.config()
	if err != nil {
		return flags, opts, err
	}
	opts.Dir = cfg.Dir
	for _, s := range cfg.MQTT {
		if s.Name == what {
			return s, opts, nil
		}
	}
	return flags, opts, cli.Usage("%s is neither an address ssl://host:8883 or tcp://host:1883 nor an mqtt source of %s", what, a.file)
}

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
	sniff := &cobra.Command{Use: "sniff NAME|URL", Short: "List topics and print configuration for them", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		s, opts, err := a.broker(cmd, args[0], config.MQTT{Auth: config.Auth{User: user, PasswordFile: passwordFile}, TLS: config.TLS{CA: ca}})
		if err != nil {
			return err
		}
		found, err := mqtt.Sniff(cmd.Context(), s, opts, filter, listen)
		if err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), found)
		}
		if len(found.Topics) == 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "no message on %s within %s: listen longer with --for\n", filter, listen)
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
