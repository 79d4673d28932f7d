package spc

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// feed returns the points (from 1) at which a rule is broken.
func feed(rule Rule, points ...float64) (at []int) {
	var t Tests
	for i, z := range points {
		if t.Add(z).Has(rule) {
			at = append(at, i+1)
		}
	}
	return at
}

func repeat(n int, pattern ...float64) (out []float64) {
	for len(out) < n {
		out = append(out, pattern...)
	}
	return out[:n]
}

func TestEachRuleFiresAtTheVeryPointThatCompletesItsPattern(t *testing.T) {
	rising := []float64{.5, -.1, .1, .2, .3, .4, .5, .45}
	for _, c := range []struct {
		name   string
		rule   Rule
		points []float64
		at     []int
	}{
		{"one beyond 3σ", 1, []float64{0, 3, 3.01, -3.5, 2.9}, []int{3, 4}},
		{"nine above", 2, append(repeat(9, .1, .5), -.1), []int{9}},
		{"eight above", 2, append(repeat(8, .1, .5), -.1), nil},
		{"nine below", 2, repeat(10, -.1), []int{9, 10}},
		{"a point on the mean ends a run", 2, append(append(repeat(8, .1), 0), repeat(8, .1)...), nil},
		{"six rising", 3, rising, []int{7}},
		{"five rising", 3, []float64{-.1, .1, .2, .3, .4, .3}, nil},
		{"six falling", 3, []float64{.5, .4, .3, .2, .1, 0, -.1}, []int{6, 7}},
		{"equal neighbours end a rise", 3, []float64{0, .1, .2, .2, .3, .4, .5}, nil},
		{"fourteen alternating", 4, repeat(15, .1, -.1), []int{14, 15}},
		{"thirteen alternating", 4, append(repeat(13, .1, -.1), .2), nil},
		{"two of three beyond 2σ", 5, []float64{2.1, 0, 2.1, 0, 0}, []int{3}},
		{"two of three on both sides", 5, []float64{2.1, 0, -2.1, 0}, nil},
		{"two of four", 5, []float64{2.1, 0, 0, 2.1}, nil},
		{"a third point within does not complete it", 5, []float64{2.1, 2.1, 0}, []int{2}},
		{"four of five beyond 1σ", 6, []float64{1.1, 1.1, 0, 1.1, 1.1, 0}, []int{5}},
		{"three of five", 6, []float64{1.1, 0, 1.1, 0, 1.1}, nil},
		{"four of five below", 6, []float64{-1.1, -1.1, -1.1, -1.1}, []int{4}},
		{"fifteen within 1σ", 7, append(repeat(15, .9, -.9), 1.1), []int{15}},
		{"eight outside of 1σ on both sides", 8, repeat(8, 1.1, -1.1), []int{8}},
		{"eight outside of 1σ on one side", 8, repeat(8, 1.1, 1.2), nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.at, feed(c.rule, c.points...)) })
	}
}

func TestAGapEndsAllRuns(t *testing.T) {
	var x Tests
	for _, z := range repeat(8, .1) {
		x.Add(z)
	}
	require.Zero(t, x.Add(math.NaN()))
	require.Zero(t, x.Add(.1))
}

// slowly applies the definitions to the whole list: nothing remembered, nothing clever.
func slowly(z []float64) Rules {
	n := len(z)
	last := func(k int) []float64 {
		if n < k {
			return nil
		}
		return z[n-k:]
	}
	count := func(list []float64, f func(float64) bool) (c int) {
		for _, v := range list {
			if f(v) {
				c++
			}
		}
		return c
	}
	var out Rules
	set := func(r Rule, yes bool) {
		if yes {
			out |= 1 << r
		}
	}
	v := z[n-1]
	set(1, math.Abs(v) > 3)
	set(2, count(last(9), func(v float64) bool { return v > 0 }) == 9 || count(last(9), func(v float64) bool { return v < 0 }) == 9)
	if l := last(6); l != nil {
		up, down := true, true
		for i := 1; i < 6; i++ {
			up, down = up && l[i] > l[i-1], down && l[i] < l[i-1]
		}
		set(3, up || down)
	}
	if l := last(14); l != nil {
		zigzag := true
		for i := 2; i < 14; i++ {
			zigzag = zigzag && (l[i]-l[i-1])*(l[i-1]-l[i-2]) < 0
		}
		set(4, zigzag)
	}
	for _, s := range []float64{1, -1} {
		beyond := func(k float64) func(float64) bool { return func(v float64) bool { return v*s > k } }
		set(5, v*s > 2 && count(z[max(0, n-3):], beyond(2)) >= 2)
		set(6, v*s > 1 && count(z[max(0, n-5):], beyond(1)) >= 4)
	}
	set(7, count(last(15), func(v float64) bool { return math.Abs(v) <= 1 }) == 15)
	l := last(8)
	set(8, count(l, func(v float64) bool { return v > 1 }) > 0 && count(l, func(v float64) bool { return v < -1 }) > 0 &&
		count(l, func(v float64) bool { return math.Abs(v) > 1 }) == 8)
	return out
}

func FuzzRulesAgreeWithTheirDefinitions(f *testing.F) {
	f.Add([]byte{0, 10, 200, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140})
	f.Add([]byte{100, 156, 100, 156, 100, 156, 100, 156, 100, 156, 100, 156, 100, 156, 100, 156})
	f.Add(slices.Repeat([]byte{40}, 20))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var x Tests
		var z []float64
		for _, b := range raw {
			z = append(z, float64(int8(b))/30)
			if got, want := x.Add(z[len(z)-1]), slowly(z); got != want {
				t.Fatalf("after %v: %v, want %v", z, got.numbers(), want.numbers())
			}
		}
	})
}
