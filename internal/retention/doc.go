// Package retention decides how long recovery points stay, and says why. It is
// pure: tags, terms and verdicts are values that follow from what is given.
//
//	a backup begins --Choose--> tag --TermsOf--> how long, in which tiers
//	some time later --Apply---> per tier: keep, copy on to the vault, or expire
//
// What Apply may expire is bounded by what must never happen: that the last
// recovery point goes because time has passed. See Apply for the rules.
//
// Forecast plays a policy forward, for people who want to see what they will
// have when.
package retention
