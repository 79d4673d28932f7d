package config

import "time"

// Signal says what is special about one signal.
type Signal struct {
	Kind        string     `yaml:"kind" enum:"flow,level,pressure,temperature,counter,state,other" doc:"what is measured, for the deadband and delays of limits; default: guessed of unit and name"`
	Range       []float64  `yaml:"range" doc:"smallest and largest value that the sensor can give; default deadbands are a share of it" example:"[0, 120]"`
	Sensitivity string     `yaml:"sensitivity" enum:"off,low,normal,high" doc:"how little is unusual enough; default: detection.sensitivity"`
	Limits      *Limits    `yaml:"limits" doc:"limits of the value in ISA-18.2 words"`
	Deviation   *Deviation `yaml:"deviation" doc:"limits of the difference from a setpoint"`
	Rate        *Rate      `yaml:"rate" doc:"limits of how fast the value changes"`
	Flatline    string     `yaml:"flatline" default:"auto" doc:"alarm when the value does not move: auto (learnt), off, or after how long" example:"10m"`
	Heartbeat   string     `yaml:"heartbeat" default:"auto" doc:"alarm when no value comes: auto (learnt; not for OPC UA, which sends changes only), off, or after how long" example:"30s"`
	States      *States    `yaml:"states" doc:"what is expected of a signal with few values, such as a state number"`
	SPC         *SPC       `yaml:"spc" doc:"control charts of the signal"`
	Without     []string   `yaml:"without" doc:"detectors that do not watch this signal" example:"[flatline, novelty]"`
}

// Limits are limits in the words of ISA-18.2 and OPC UA Part 9.
type Limits struct {
	HiHi      *float64              `yaml:"hihi" doc:"high high limit"`
	Hi        *float64              `yaml:"hi" doc:"high limit"`
	Lo        *float64              `yaml:"lo" doc:"low limit"`
	LoLo      *float64              `yaml:"lolo" doc:"low low limit"`
	Deadband  *float64              `yaml:"deadband" doc:"returned only when back by this much; default: 5 % of the range for flow and level, 2 % for pressure, else 1 %"`
	OnDelay   *time.Duration        `yaml:"on_delay" doc:"how long beyond the limit before it is raised; default: 15s for flow and pressure, 60s for level and temperature, else 5s"`
	OffDelay  *time.Duration        `yaml:"off_delay" doc:"how long back before it returns; default as on_delay"`
	ReAlarm   time.Duration         `yaml:"realarm" doc:"raise again while the limit is still passed after this time; never by default"`
	Exclusive bool                  `yaml:"exclusive" doc:"one alarm that is in the outermost limit passed (OPC UA ExclusiveLimitAlarmType) instead of one for each limit"`
	Each      map[string]LimitTimes `yaml:"each" doc:"what differs for single limits (hihi, hi, lo, lolo)" example:"{hihi: {on_delay: 0s, severity: 900}}"`
}

// LimitTimes is what differs for one limit.
type LimitTimes struct {
	Deadband *float64       `yaml:"deadband" doc:"as in limits"`
	OnDelay  *time.Duration `yaml:"on_delay" doc:"as in limits"`
	OffDelay *time.Duration `yaml:"off_delay" doc:"as in limits"`
	Severity int            `yaml:"severity" doc:"OPC UA severity, 1 to 1000; default 800 for hihi and lolo, 500 for hi and lo"`
}

// Deviation are limits of value minus setpoint.
type Deviation struct {
	Setpoint string `yaml:"setpoint" required:"true" doc:"name of the signal that is the setpoint, or a number" example:"press.temperature_set"`
	Limits
}

// Rate are limits of the change of the value in a time.
type Rate struct {
	Per  time.Duration `yaml:"per" default:"1m" doc:"the limits are change per this time"`
	Over time.Duration `yaml:"over" default:"10s" doc:"the change is measured over this time, so that single peaks do not count"`
	Limits
}

// States says what is expected of a discrete signal.
type States struct {
	Expected []string                 `yaml:"expected" doc:"values, or their names of map, that are normal; any other is an alarm" example:"[idle, running]"`
	Longest  map[string]time.Duration `yaml:"longest" doc:"alarm when a value lasts longer" example:"{blocked: 5m}"`
	Changes  int                      `yaml:"changes" doc:"alarm when it changes more often than this within the time of within; 0 is never"`
	Within   time.Duration            `yaml:"within" default:"1m" doc:"time for changes"`
}

// Detection is the watching of all signals.
type Detection struct {
	Sensitivity string        `yaml:"sensitivity" default:"normal" enum:"off,low,normal,high" doc:"how little is unusual enough to be marked; off learns nothing"`
	MaxSignals  int           `yaml:"max_signals" default:"5000" doc:"signals that are watched; each takes up to 24 KiB"`
	Save        time.Duration `yaml:"save" default:"15m" doc:"how often what was learnt is written to data_dir; it is at each stop"`
	Chatter     Chatter       `yaml:"chatter" doc:"alarms that come and go"`
	Production  Production    `yaml:"production" doc:"how the agent knows what the plant is doing"`
	Guard       Guard         `yaml:"guard" doc:"rules about people and changes at this station"`
}

// Chatter folds an alarm that comes and goes into one.
type Chatter struct {
	Raises int           `yaml:"raises" default:"3" doc:"so many raises within the time are chatter; 0 folds nothing"`
	Within time.Duration `yaml:"within" default:"1m" doc:"the time; an alarm that was quiet for it chatters no more"`
}

// Production says how the state of the plant is known. A command (linewatch-agent
// detect state) counts more than the signal, the signal more than the calendar.
type Production struct {
	Signal   string            `yaml:"signal" doc:"signal whose value is the state" example:"line.state"`
	Map      map[string]string `yaml:"map" doc:"its values: production, break, changeover, maintenance or off" example:"{1: production, 2: break, 0: off}"`
	Recipe   string            `yaml:"recipe" doc:"signal whose value is the recipe or product" example:"line.recipe"`
	Phase    string            `yaml:"phase" doc:"signal whose value is the phase of a batch or cycle" example:"batch.step"`
	Calendar []Shift           `yaml:"calendar" doc:"states by the clock; the first that fits counts" example:"[{days: mon-fri, from: \"06:00\", to: \"22:00\"}]"`
	Outside  string            `yaml:"outside" default:"off" enum:"production,break,changeover,maintenance,off" doc:"state where no line of the calendar fits"`
	Zone     string            `yaml:"zone" doc:"time zone of the calendar; default: the station's" example:"Europe/Berlin"`
}

// Shift is a time of the week.
type Shift struct {
	Days  string `yaml:"days" default:"mon-sun" doc:"days on which it begins: mon-fri, or mon,wed,sat" example:"mon-fri"`
	From  string `yaml:"from" required:"true" doc:"begin, hours and minutes" example:"06:00"`
	To    string `yaml:"to" required:"true" doc:"end; before the begin means the next day" example:"22:00"`
	State string `yaml:"state" default:"production" enum:"production,break,changeover,maintenance,off" doc:"what the plant does then"`
}

// Guard are rules about people and changes; each makes a security.violation.
type Guard struct {
	Off       []string      `yaml:"off" doc:"rules that are switched off: first_seen_user, first_seen_client, change_outside_window, write_rate, mode_change_unattended" example:"[write_rate]"`
	Learn     time.Duration `yaml:"learn" default:"168h" doc:"users and clients seen in this time after the first start are known"`
	Windows   []Shift       `yaml:"windows" doc:"maintenance windows; a parameter, recipe or program changed outside of them is reported. Without windows only a new program or firmware during production is" example:"[{days: sat, from: \"06:00\", to: \"14:00\"}]"`
	Writes    int           `yaml:"writes" default:"60" doc:"so many writes of one user or client within the time are too many"`
	WriteTime time.Duration `yaml:"within" default:"1m" doc:"the time for writes"`
}
