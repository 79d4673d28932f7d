package clitest

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func tree() *cobra.Command {
	root := &cobra.Command{Use: "prog"}
	root.PersistentFlags().Bool("json", false, "")
	keys := &cobra.Command{Use: "keys"}
	list := &cobra.Command{Use: "list", Run: func(*cobra.Command, []string) {}}
	list.Flags().String("since", "", "")
	keys.AddCommand(list)
	root.AddCommand(keys, &cobra.Command{Use: "run FILE", Run: func(*cobra.Command, []string) {}})
	return root
}

func TestCommandLinesOfPagesAreFoundUpToTheirEnd(t *testing.T) {
	require.Equal(t, []string{"keys list", "run a"}, typed("prog", "say `prog keys list` or prog run a   # why"))
	require.Equal(t, []string{"keys list --json", "run"}, typed("prog", "prog keys list --json > file; prog run | tee"))
	require.Equal(t, []string{"run --config /etc/prog"}, typed("prog", "prog run --config /etc/prog | /bin/prog x"))
	require.Empty(t, typed("prog", "the programs' prog"))
}

func TestWhatTheProgramDoesNotHaveIsNamed(t *testing.T) {
	for words, says := range map[string]string{
		"keys list --since 1d --json": "", "keys": "", "run x y": "", "keys list [--since T]": "", "--help": "",
		"frob": "no command frob", "keys lost": "no command lost", "keys list --until 1d": "no flag --until", "keys list|lost": "no command",
	} {
		err := Understands(tree(), words)
		if says == "" {
			require.NoError(t, err, words)
		} else {
			require.ErrorContains(t, err, says, words)
		}
	}
}
