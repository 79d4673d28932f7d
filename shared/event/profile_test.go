package event_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/stretchr/testify/require"
)

// profile is testdata/profile.json, the table that all implementations share.
type profile struct {
	Cases []struct {
		Name   string
		JSON   string
		Hex    string
		Leaf   bool
		Reason string
		Offset int
		Normal *string
	}
	Times []struct {
		Time   string
		Good   bool
		Reason string
	}
	Envelopes []struct {
		Name     string
		JSON     string
		Problems []event.Problem
	}
}

func loadProfile(t testing.TB) (p profile) {
	t.Helper()
	text, err := os.ReadFile("testdata/profile.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &p))
	require.Greater(t, len(p.Cases), 80)
	return p
}

func TestTheSharedTableOfGoodAndBadCasesHolds(t *testing.T) {
	for _, c := range loadProfile(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			leaf := []byte(c.JSON)
			if c.Hex != "" {
				var err error
				leaf, err = hex.DecodeString(c.Hex)
				require.NoError(t, err)
			}
			err := event.Check(leaf)
			_, _, parseErr := event.Parse(leaf)
			if c.Leaf {
				require.NoError(t, err)
				require.NoError(t, parseErr)
				require.True(t, json.Valid(leaf))
			} else {
				require.Equal(t, &event.ProfileError{Offset: c.Offset, Reason: c.Reason}, err)
				require.Equal(t, err, parseErr, "Parse and Check agree")
			}
			normal, err := event.Normalize(leaf)
			if c.Normal == nil {
				fault, ok := errors.AsType[*event.ProfileError](err)
				require.True(t, ok, "refused by Normalize, got %s %v", normal, err)
				require.LessOrEqual(t, fault.Offset, len(leaf))
				return
			}
			require.NoError(t, err)
			require.Equal(t, *c.Normal, string(normal))
		})
	}
}

func TestTheSharedTableOfTimesHolds(t *testing.T) {
	for _, c := range loadProfile(t).Times {
		at, err := event.ParseTime(c.Time)
		if !c.Good {
			require.ErrorContains(t, err, c.Reason, "%q", c.Time)
			continue
		}
		require.NoError(t, err, "%q", c.Time)
		want, err := time.Parse(time.RFC3339Nano, c.Time)
		require.NoError(t, err)
		require.True(t, want.Equal(at), "%q gave %v", c.Time, at)
		require.Equal(t, time.UTC, at.Location())
	}
}

func TestTheSharedTableOfEnvelopesHolds(t *testing.T) {
	for _, c := range loadProfile(t).Envelopes {
		t.Run(c.Name, func(t *testing.T) {
			e, problems, err := event.Parse([]byte(c.JSON))
			require.NoError(t, err)
			require.ElementsMatch(t, c.Problems, problems)
			if len(c.Problems) > 0 {
				return
			}
			again, err := e.Leaf()
			require.NoError(t, err)
			require.JSONEq(t, c.JSON, string(again))
		})
	}
}

func TestALeafHasAtMost65535Bytes(t *testing.T) {
	leaf := []byte(`{"a":"` + strings.Repeat("x", event.MaxLeaf-8) + `"}`)
	require.Len(t, leaf, event.MaxLeaf)
	require.NoError(t, event.Check(leaf))
	leaf = append(leaf[:len(leaf)-2], 'x', '"', '}')
	require.Equal(t, &event.ProfileError{Offset: 65535, Reason: "longer than 65535 bytes"}, event.Check(leaf))
}

func TestALeafWithManyFaultsReportsABoundedNumber(t *testing.T) {
	leaf := `{"k0":1`
	for i := range 2000 {
		leaf += `,"n` + strings.Repeat("x", i%7) + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}) + `":1`
	}
	_, problems, err := event.Parse([]byte(leaf + "}"))
	require.NoError(t, err)
	require.Len(t, problems, 32)
}

// seeds adds the cases of the table to a fuzz target.
func seeds(f *testing.F) {
	p := loadProfile(f)
	for _, c := range p.Cases {
		f.Add([]byte(c.JSON))
	}
	for _, c := range p.Envelopes {
		f.Add([]byte(c.JSON))
	}
}

func FuzzWhatParsesIsSoundAndWritesBackTheSame(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, leaf []byte) {
		e, problems, err := event.Parse(leaf)
		require.Equal(t, event.Check(leaf), err)
		if err != nil {
			return
		}
		require.True(t, json.Valid(leaf), "stricter than encoding/json, never laxer")
		if len(problems) > 0 {
			return
		}
		again, err := e.Leaf()
		require.NoError(t, err)
		e2, problems, err := event.Parse(again)
		require.NoError(t, err)
		require.Empty(t, problems)
		third, err := e2.Leaf() // bytes, because a curve may hold NaN, which equals nothing
		require.NoError(t, err)
		require.Equal(t, string(again), string(third))
	})
}

func FuzzWhatNormalizeGivesIsInsideTheProfile(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, foreign []byte) {
		out, err := event.Normalize(foreign)
		if err != nil {
			return
		}
		require.NoError(t, event.Check([]byte(`{"v":`+string(out)+`}`)), "%s", out)
		again, err := event.Normalize(out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
	})
}
