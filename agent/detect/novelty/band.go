package novelty

// band is a histogram of what the steps reached, from which the band is taken that a
// signal usually lies in.
type band struct {
	scale
	mass  [levels]float32
	total float32
}

const (
	bandShare  = 0.005   // of what was reached may lie below the band, and above
	bandMemory = 200_000 // from which on what is old counts less
	bandFrom   = 2 * warmUp
)

func (b *band) begin(s scale) { *b = band{scale: s} }

func (b *band) add(low, high float64) {
	if b.width <= 0 {
		return
	}
	b.mass[b.level(low)]++
	b.mass[b.level(high)]++
	if b.total += 2; b.total >= bandMemory {
		for i := range b.mass {
			b.mass[i] /= 2
		}
		b.total /= 2
	}
}

func (b *band) level(v float64) int {
	level, up, again := b.fit(v)
	for ; again; level, up, again = b.fit(v) {
		b.merge(up)
	}
	return level
}

func (b *band) merge(up bool) {
	var merged [levels]float32
	for k := range levels / 2 {
		merged[half(k, up)] = b.mass[2*k] + b.mass[2*k+1]
	}
	b.mass = merged
}

// ends gives the band; ok is false while too little was seen.
func (b *band) ends() (low, high float64, ok bool) {
	if b.total < bandFrom {
		return 0, 0, false
	}
	return b.quantile(bandShare), b.quantile(1 - bandShare), true
}

func (b *band) quantile(q float64) float64 {
	want, sum := float32(q)*b.total, float32(0)
	for i, m := range b.mass {
		if m > 0 && sum+m >= want {
			return b.at(i) + float64((want-sum)/m)*b.width
		}
		sum += m
	}
	return b.at(levels)
}
