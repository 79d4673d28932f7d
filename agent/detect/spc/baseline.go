package spc

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/shared/stats"
)

// Base says how the points of a chart spread when nothing is wrong.
type Base string

// The three ways.
const (
	// Individuals: each point stands for itself, σ from the mean moving range / d2(2).
	// Also the right way for means over time: values within a minute hang together, so
	// their range says too little of how one minute differs from the next.
	Individuals Base = "individuals"
	// Xbar: subgroups of n parts, σ of a mean from the mean range / (d2(n) √n).
	Xbar Base = "xbar"
	// Share: share of failed parts, σ from the binomial distribution.
	Share Base = "p"
)

// Point is one subgroup.
type Point struct {
	At    time.Time `json:"at"`    // its end
	Value float64   `json:"value"` // mean, or share of failed parts
	Range float64   `json:"range"` // largest minus smallest value
	N     int       `json:"n"`     // values, or parts
}

// Baseline is what a chart compares with. It is computed of subgroups, approved by a
// person, and then stays as it is.
type Baseline struct {
	Base      Base      `json:"base"`
	Subgroups int       `json:"subgroups"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Center    float64   `json:"center"` // mean of the points; share: failed / all
	// Sigma is the standard deviation of a point; of a share, that of its mean size.
	Sigma float64 `json:"sigma"`
	// Size is the number of values of a subgroup, 0 where it varies.
	Size int `json:"size"`
	// MeanRange within subgroups of Size values; 0 where there is none.
	MeanRange float64 `json:"meanRange"`
	// MovingRange is the mean distance of neighbouring points.
	MovingRange float64 `json:"movingRange"`
	// Within is σ of one value as the ranges tell it, Overall as all values together
	// do; 0 = not known.
	Within  float64 `json:"within"`
	Overall float64 `json:"overall"`
	Values  uint64  `json:"values"`
	// Outside counts points beyond their own limits: a person looks at them before
	// approving. Lag1 is the correlation of neighbouring points: above 0.5 the rules
	// will fire more often than the tables say.
	Outside int     `json:"outside"`
	Lag1    float64 `json:"lag1"`
}

// ErrConstant means that all points are equal: no limits can be made of them.
var ErrConstant = errors.New("all points are equal: nothing to compare with (wrong signal, or a resolution too coarse?)")

// errTooFew means that there are not enough subgroups.
var errTooFew = errors.New("too few subgroups")

// NewBaseline computes a baseline of subgroups in their order; overall are the moments
// of all single values, where they are known.
//
// Formulas: D. C. Montgomery, Introduction to Statistical Quality Control, chapters 6
// (X-bar and R, individuals with moving range) and 7 (fraction nonconforming);
// NIST/SEMATECH e-Handbook 6.3.2 and 6.3.3.
func NewBaseline(base Base, points []Point, overall stats.Welford) (Baseline, error) {
	if len(points) < 2 {
		return Baseline{}, fmt.Errorf("baseline of %d subgroups: %w", len(points), errTooFew)
	}
	b := Baseline{
		Base: base, Subgroups: len(points), From: points[0].At, To: points[len(points)-1].At,
		Overall: overall.Std(), Values: overall.N, Size: points[0].N,
	}
	b.sums(points)
	if err := b.spread(); err != nil {
		return Baseline{}, err
	}
	b.judge(points)
	if !stats.Finite(b.Center) || !stats.Finite(b.Sigma) || !stats.Finite(b.MeanRange) {
		return Baseline{}, fmt.Errorf("baseline: %w", errors.New("values too large to calculate with"))
	}
	return b, nil
}

// sums finds centre and mean ranges.
func (b *Baseline) sums(points []Point) {
	var sum, ranges, moving, failed, parts float64
	for i, p := range points {
		sum += p.Value
		ranges += p.Range
		parts += float64(p.N)
		failed += p.Value * float64(p.N)
		if i > 0 {
			moving += math.Abs(p.Value - points[i-1].Value)
		}
		if p.N != b.Size {
			b.Size = 0
		}
	}
	n := float64(len(points))
	b.Center, b.MovingRange = sum/n, moving/(n-1)
	if b.Base == Share && parts > 0 {
		b.Center = failed / parts
		b.Values = uint64(parts)
	}
	if b.Size >= 2 && b.Size <= maxGroup && b.Base != Share {
		b.MeanRange = ranges / n
		b.Within = b.MeanRange / d2[b.Size]
	}
}

// spread finds σ of a point.
func (b *Baseline) spread() error {
	switch b.Base {
	case Share:
		if b.Center <= 0 || b.Center >= 1 {
			return fmt.Errorf("baseline: %w", errors.New("no part failed, or all did: a share needs some of both (longer subgroups?)"))
		}
		b.Sigma = b.shareSigma(int(float64(b.Values) / float64(b.Subgroups)))
	case Xbar:
		if b.Size < 2 || b.Size > maxGroup {
			return fmt.Errorf("baseline: xbar needs subgroups of 2 to %d values, all alike", maxGroup)
		}
		b.Sigma = b.Within / math.Sqrt(float64(b.Size))
	default:
		b.Sigma = b.MovingRange / d2[2]
		if b.Size == 1 {
			b.Within = b.Sigma
		}
	}
	if !(b.Sigma > 0) {
		return fmt.Errorf("baseline: %w", ErrConstant)
	}
	return nil
}

func (b *Baseline) shareSigma(n int) float64 {
	return math.Sqrt(b.Center * (1 - b.Center) / float64(max(n, 1)))
}

// judge counts what a person should look at before approving.
func (b *Baseline) judge(points []Point) {
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.Value
		if math.Abs(b.Z(p)) > 3 || b.rangeOutside(p) {
			b.Outside++
		}
	}
	b.Lag1 = stats.Lag1(values)
}

func (b *Baseline) rangeOutside(p Point) bool {
	if b.Base != Xbar {
		return false
	}
	low, high, ok := rangeLimits(b.MeanRange, p.N)
	return ok && (p.Range > high || p.Range < low)
}

// sigmaOf is σ of one point: a share of few parts spreads more.
func (b *Baseline) sigmaOf(p Point) float64 {
	switch {
	case b.Base == Share:
		return b.shareSigma(p.N)
	case b.Base == Xbar && p.N > 0 && p.N != b.Size:
		return b.Within / math.Sqrt(float64(p.N))
	}
	return b.Sigma
}

// Z is the distance of a point from the centre in its standard deviations.
func (b *Baseline) Z(p Point) float64 { return (p.Value - b.Center) / b.sigmaOf(p) }

// Limits are the control limits for a point: three standard deviations about the centre;
// a share is neither below 0 nor above 1.
func (b *Baseline) Limits(p Point) (low, high float64) {
	s := 3 * b.sigmaOf(p)
	low, high = b.Center-s, b.Center+s
	if b.Base == Share {
		low, high = max(low, 0), min(high, 1)
	}
	return low, high
}

// valid refuses what can't be calculated with: baselines come from a file.
func (b *Baseline) valid() error {
	for _, v := range []float64{b.Center, b.Sigma, b.MeanRange, b.MovingRange, b.Within, b.Overall, b.Lag1} {
		if !stats.Finite(v) {
			return errors.New("baseline: holds what is no number")
		}
	}
	switch {
	case b.Base != Individuals && b.Base != Xbar && b.Base != Share:
		return fmt.Errorf("baseline: unknown kind %q", b.Base)
	case !(b.Sigma > 0) || b.Size < 0 || b.Size > math.MaxInt32 || b.Subgroups < 2:
		return errors.New("baseline: without spread or subgroups")
	case b.Base == Xbar && (!(b.Within > 0) || b.Size < 2 || b.Size > maxGroup):
		return errors.New("baseline: xbar without ranges")
	case b.Base == Share && (b.Center <= 0 || b.Center >= 1):
		return errors.New("baseline: a share outside of 0 to 1")
	}
	return nil
}
