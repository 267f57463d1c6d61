// Package schedule says when backups are due and when they start. It is pure: it
// reads no clock, does no I/O and knows no product word.
//
//	interval + zone  --Next, Last-->  due times
//	due time + key   --slot------->   start inside the window
//	state + now      --Decide----->   start, wait or skip, with the reason
//
// Due times stay on the wall clock. An interval of hours, which must divide the
// day, has the same times of day on every day: PT4H from 09:00 is due at 01:00,
// 05:00, 09:00, 13:00, 17:00 and 21:00 local time, in summer as in winter. An
// interval of days is due at the time of day it began with. So on the two days
// of the year when clocks are changed:
//
//   - a time of day that there is twice is due the first time it comes;
//   - a time of day that there is not is due when the clocks have been changed;
//   - a date that there is not (a zone crossed the date line) has no due times,
//     but one of a schedule by the week, which is due when that date is over.
//
// Two due times are therefore an hour closer, or an hour further apart, on those
// days, and never more or fewer than on others.
package schedule
