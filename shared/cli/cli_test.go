package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/conf"
)

func run(t *testing.T, err error, args ...string) (int, string) {
	t.Helper()
	root := &cobra.Command{Use: "x"}
	root.AddCommand(&cobra.Command{Use: "do", RunE: func(*cobra.Command, []string) error { return err }})
	var out bytes.Buffer
	code := Run(root, args, strings.NewReader(""), &out, &out)
	return code, out.String()
}

func TestExitCodesTellWhoseFaultItIs(t *testing.T) {
	for want, err := range map[int]error{
		ExitOK:        nil,
		ExitFailed:    errors.New("broken"),
		ExitUsage:     Usage("no"),
		ExitTemporary: &ExitError{ExitTemporary, errors.New("later")},
	} {
		code, out := run(t, err, "do")
		require.Equal(t, want, code)
		if err != nil {
			require.Contains(t, out, err.Error())
		}
	}
	code, _ := run(t, conf.Errors{{File: "a.yaml", Message: "bad"}}, "do")
	require.Equal(t, ExitUsage, code)
	code, out := run(t, nil, "do", "--nope")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, out, "--nope")
}

func TestASecretIsTheFirstLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	require.NoError(t, os.WriteFile(file, []byte("correct horse\r\nsecond\n"), 0o600))
	got, err := Secret("password", "--password-file", file, nil, nil)
	require.NoError(t, err)
	require.Equal(t, "correct horse", got)
	got, err = Secret("password", "--password-file", "-", strings.NewReader("from stdin"), nil)
	require.NoError(t, err)
	require.Equal(t, "from stdin", got)
	_, err = Secret("password", "--password-file", "-", strings.NewReader("\n"), nil)
	require.ErrorContains(t, err, "empty")
	_, err = Secret("password", "--password-file", "", strings.NewReader(""), nil)
	require.ErrorContains(t, err, "name a file with it: --password-file FILE")
}

func TestWhatWasDoneIsASentenceOrAnObject(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Done(&out, false, map[string]string{"user": "anna"}, "%s: disabled", "anna"))
	require.NoError(t, Done(&out, true, map[string]string{"user": "anna"}, "%s: disabled", "anna"))
	require.Equal(t, "anna: disabled\n{\n  \"user\": \"anna\"\n}\n", out.String())
}

func TestTablesAlign(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Table(&out, []string{"A", "B"}, [][]string{{"long value", "x"}}))
	require.Equal(t, "A           B\nlong value  x\n", out.String())
}

func TestWrongWordsAndArgumentsAreUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"frob"}, {"group", "frob"}, {"group", "do", "more"}} {
		root := &cobra.Command{Use: "x"}
		group := &cobra.Command{Use: "group"}
		group.AddCommand(&cobra.Command{Use: "do", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }})
		root.AddCommand(group)
		var out bytes.Buffer
		require.Equal(t, ExitUsage, Run(root, args, strings.NewReader(""), &out, &out), "%v", args)
		require.Equal(t, 1, strings.Count(out.String(), "\n"), "%v", args)
	}
}
