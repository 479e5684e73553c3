// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pulumi-riptides/lab/simulator"
)

// TokenPath is where STS is served, beside the store.
const TokenPath = "/sts/"

// The seconds that AWS lets an assumed role last.
const (
	shortestRole = 15 * 60
	longestRole  = 12 * 60 * 60
	usualRole    = 60 * 60
)

var roleForm = regexp.MustCompile(`^arn:aws:iam::(\d{12}):role/([\w+=,.@-]+)$`)

type assumedRole struct {
	XMLName         xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	AssumedRoleID   string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	Arn             string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	AccessKeyID     string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	SecretAccessKey string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken    string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration      string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	RequestID       string   `xml:"ResponseMetadata>RequestId"`
}

// AssumeRole is as much of STS as an AWS secrets engine asks for: session credentials for whoever signs right, which may sign
// for the store until they expire. Any role may be assumed.
func (s *Store) AssumeRole(w http.ResponseWriter, r *http.Request, arrival *simulator.Arrival) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		writeTokenError(w, http.StatusBadRequest, "MalformedQueryString", "the body cannot be read")
		return
	}
	said, err := verifySignature(r, body, s.find, time.Now())
	if err == nil && said.service != "sts" {
		err = refuseSignature("SignatureDoesNotMatch", "the scope's service is %s, expecting sts", said.service)
	}
	if err != nil {
		code, reason := reasonOf(err)
		arrival.Signature = code + ": " + reason
		writeTokenError(w, http.StatusForbidden, code, reason)
		return
	}
	arrival.KeyID, arrival.Signature, arrival.Payload = said.accessKey, "verified", "hashed"
	asked, err := url.ParseQuery(string(body))
	if err != nil || asked.Get("Action") != "AssumeRole" {
		writeTokenError(w, http.StatusBadRequest, "InvalidAction", "only AssumeRole is served")
		return
	}
	role := roleForm.FindStringSubmatch(asked.Get("RoleArn"))
	seconds, err := secondsOf(asked.Get("DurationSeconds"))
	if role == nil || asked.Get("RoleSessionName") == "" || err != nil || seconds < shortestRole || seconds > longestRole {
		writeTokenError(w, http.StatusBadRequest, "ValidationError", "RoleArn, RoleSessionName or DurationSeconds is not of its form")
		return
	}
	session := asked.Get("RoleSessionName")
	issued := Credential{
		AccessKey: "ASIA" + strings.ToUpper(random(8)), SecretKey: randomText(30), SessionToken: randomText(180),
		Expires: time.Now().Add(time.Duration(seconds) * time.Second).UTC().Truncate(time.Second),
	}
	if err := s.Put(issued); err != nil {
		writeTokenError(w, http.StatusInternalServerError, "InternalFailure", err.Error())
		return
	}
	writeXML(w, http.StatusOK, assumedRole{
		AssumedRoleID: "AROA" + strings.ToUpper(random(8)) + ":" + session,
		Arn:           "arn:aws:sts::" + role[1] + ":assumed-role/" + role[2] + "/" + session,
		AccessKeyID:   issued.AccessKey, SecretAccessKey: issued.SecretKey, SessionToken: issued.SessionToken,
		Expiration: issued.Expires.Format(time.RFC3339), RequestID: random(16),
	})
}

func secondsOf(text string) (int, error) {
	if text == "" {
		return usualRole, nil
	}
	return strconv.Atoi(text)
}

// random is so many bytes in hexadecimal digits.
func random(bytes int) string {
	return hex.EncodeToString(randomBytes(bytes))
}

// randomText is so many bytes in base64.
func randomText(bytes int) string {
	return base64.StdEncoding.EncodeToString(randomBytes(bytes))
}

func randomBytes(count int) []byte {
	bytes := make([]byte, count)
	rand.Read(bytes) // never fails
	return bytes
}

func writeTokenError(w http.ResponseWriter, status int, code, message string) {
	writeXML(w, status, struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}{Type: "Sender", Code: code, Message: message})
}
