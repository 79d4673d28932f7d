package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/peertest"
)

const down = common + `opcua:
  - name: press
    endpoint: opc.tcp://127.0.0.1:1
    groups: [{name: g, nodes: [{id: 'nsu=urn:x;s=x', as: x}]}]
mqtt:
  - name: uns
    broker: tcp://127.0.0.1:1
    topics: [{match: 'a/#', as: x}]
`

func TestCheckWithEverythingDownNamesEachPlaceOnce(t *testing.T) {
	s := newStation(t).enrolled()
	s.file("agent.yaml", down+"aggregator: {urls: ['https://127.0.0.1:1']}\n")
	code, out, errOut := s.run("check", "--for", "1s")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "3 faults\n", errOut)
	for _, want := range []string{"FAULT          opcua press: ", "FAULT          mqtt uns: dial 127.0.0.1:1", "FAULT          aggregator: "} {
		require.Contains(t, out, want)
	}
	code, out, errOut = s.run("check", "--json", "--for", "1s")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "3 faults\n", errOut)
	var f findings
	require.NoError(t, json.Unmarshal([]byte(out), &f), out)
	require.Len(t, f.Faults, 3)
	require.Contains(t, out, `"opcua": []`)
	require.Contains(t, out, `"mqtt": []`)
}

func TestCheckSaysWhatItDoesNotKnow(t *testing.T) {
	s := newStation(t)
	out := s.ok("check")
	require.Contains(t, out, "aggregator     not enrolled yet, clock offset not known\n")
	require.Contains(t, out, "run linewatch-agent enrol --config "+s.path("agent.yaml")+" --token-file FILE")
	require.Contains(t, s.ok("check", "--json"), `"clock_offset_ms": null`)
	if runtime.GOOS != "linux" {
		return
	}
	s.file("agent.yaml", strings.Replace(common, "data_dir: data", "data_dir: /proc/linewatch", 1))
	code, out, errOut := s.run("check", "--offline")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "1 fault\n", errOut)
	require.Contains(t, out, "disk           not known")
	require.Contains(t, out, "FAULT          data_dir: /proc/linewatch can't be made")
}

func TestCheckTellsWhoElseReadsAPassword(t *testing.T) {
	s := newStation(t)
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Users: map[string]string{"lw": "topsecret"}})
	s.file("agent.yaml", common+"mqtt:\n  - name: uns\n    broker: "+broker.URL+"\n    auth: {user: lw, password_file: pw}\n    topics: [{match: 'a/#', as: x}]\n")
	code, out, errOut := s.run("check", "--for", "1ms")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, out, s.path("pw"))
	require.NotContains(t, errOut, "topsecret")
	for _, ending := range []string{"", "\n", "\r\n"} {
		s.file("pw", "topsecret"+ending)
		out = s.ok("check", "--for", "1ms")
		require.NotContains(t, out, "others")
	}
	require.NoError(t, os.Chmod(s.path("pw"), 0o644))
	out = s.ok("check", "--for", "1ms")
	require.Contains(t, out, "WARNING        mqtt uns: "+s.path("pw")+" can be read by others; chmod 600 it")
	s.file("pw", "wrongsecret")
	code, out, errOut = s.run("check", "--for", "1ms")
	require.Equal(t, cli.ExitFailed, code)
	require.NotContains(t, out+errOut, "wrongsecret")

	s.file("pw", "topsecret\r\n")
	out = s.ok("mqtt", "sniff", broker.URL, "--user", "lw", "--password-file", s.path("pw"), "--for", "10ms")
	require.Contains(t, out, "topics:")
	_, _, errOut = s.run("mqtt", "sniff", "uns", "--for", "10ms")
	require.Contains(t, errOut, "no message on # within 10ms", "the source's own user and password")
	s.fails(cli.ExitUsage, []string{"mqtt", "sniff", "nobody"}, "nor an mqtt source of")
	s.fails(cli.ExitUsage, []string{"mqtt", "sniff", "tcp://lw:topsecret@127.0.0.1:1"}, "--user")
	_, _, errOut = s.run("mqtt", "sniff", "tcp://lw:topsecret@127.0.0.1:1")
	require.NotContains(t, errOut, "topsecret")
	s.fails(cli.ExitUsage, []string{"mqtt", "sniff", "http://127.0.0.1:1"}, "ssl://host:8883 or tcp://host:1883")
	s.fails(cli.ExitFailed, []string{"mqtt", "sniff", "tcp://127.0.0.1:1"}, "127.0.0.1:1", "refused")
}

func TestMistakesInATableOfBitsHaveALine(t *testing.T) {
	s := newStation(t)
	s.file("agent.yaml", common+"opcua:\n  - name: press\n    endpoint: opc.tcp://127.0.0.1:1\n    groups: [{name: g, nodes: [{id: 'nsu=urn:x;s=x', event: equipment.fault, bits: {texts: bits.csv}}]}]\n")
	for text, want := range map[string]string{
		"bit,code,text\n0,F1,one\n0,F2,two\n": "line 3",
		"bit,code,text\n99,F1,one\n":          "line 2",
		"bit,code,text\nx,F1,one\n":           "line 2",
	} {
		s.file("bits.csv", text)
		_, out, _ := s.run("check")
		require.Contains(t, out, s.path("bits.csv")+": "+want)
	}
	require.NoError(t, os.Remove(s.path("bits.csv")))
	_, out, _ := s.run("check")
	require.Contains(t, out, s.path("bits.csv"))
}

func TestOPCUACommandsOnAClosedPort(t *testing.T) {
	s := newStation(t)
	s.file("agent.yaml", down)
	for _, args := range [][]string{{"browse", "press"}, {"trust", "press"}, {"endpoints", "press"}, {"browse", "opc.tcp://127.0.0.1:1", "--insecure"}} {
		s.fails(cli.ExitFailed, append([]string{"opcua"}, args...), "127.0.0.1:1", "refused")
	}
	s.fails(cli.ExitUsage, []string{"opcua", "browse", "pres"}, "pres", "opc.tcp://host:port", s.path("agent.yaml"))
	// Without a configuration: what is asked needs no certificates.
	s.fails(cli.ExitFailed, []string{"--config", s.path("none"), "opcua", "endpoints", "opc.tcp://127.0.0.1:1"}, "127.0.0.1:1", "refused")
	s.fails(cli.ExitUsage, []string{"--config", s.path("none"), "opcua", "browse", "opc.tcp://127.0.0.1:1"}, "--pki")
}

func TestTwoSourcesNeedTheirOwnNamesAndClients(t *testing.T) {
	s := newStation(t)
	s.file("agent.yaml", common+"mqtt:\n"+
		"  - {name: uns, broker: 'tcp://h:1', client_id: same, topics: [{match: 'a/#', as: x}]}\n"+
		"  - {name: two, broker: 'tcp://h:1', client_id: same, topics: [{match: 'a/#', as: x}]}\n")
	s.fails(cli.ExitUsage, []string{"check"}, "agent.yaml:6:", "mqtt[1].client_id", "mqtt[0]")
	s.file("agent.yaml", common+"mqtt:\n"+
		"  - {name: uns, broker: 'tcp://h:1', topics: [{match: 'a/#', as: x}]}\n"+
		"  - {name: uns, broker: 'tcp://h:1', topics: [{match: 'a/#', as: x}]}\n")
	s.fails(cli.ExitUsage, []string{"run"}, "agent.yaml:6:", "mqtt[1].name", "each source needs its own")
}
