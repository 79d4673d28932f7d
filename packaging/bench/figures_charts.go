package bench

// chartFigures are those of control charts, forecasts and the judgement of a station.
func chartFigures() []Figure {
	const (
		group   = "Detection: control charts and forecasts"
		inChart = "agent/detect/spc:"
		inTrend = "agent/detect/trend:"
	)
	return []Figure{
		{Group: group, What: "a value into a control chart with EWMA and CUSUM", Of: Ref{inChart + "Chart", "ns/op"}, Unit: "ns", Plus: 1000},
		{Group: group, What: "a value into a forecast of four time scales", Of: Ref{inTrend + "Forecast", "ns/op"}, Unit: "ns", Plus: 1000},
		{Group: group, What: "forecasts on made drifts that came true", Of: Ref{inTrend + "Backtest", "%true"}, Unit: "%"},
		{Group: group, What: "of them within the interval that was told", Of: Ref{inTrend + "Backtest", "%inside"}, Unit: "%"},
		{Group: group, What: "error of the middle of the interval, median", Of: Ref{inTrend + "Backtest", "%error"}, Unit: "%"},
		{Group: group, What: "told before the limit, median", Of: Ref{inTrend + "Backtest", "lead-min"}, Unit: "min"},
	}
}
