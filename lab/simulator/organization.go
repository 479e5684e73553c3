// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// Project is one project of the organization. Status is "active" or "archived".
type Project struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	CreatedAt  int64  `json:"created_at"`
	ArchivedAt *int64 `json:"archived_at"`
}

// Account is a service account as the control API shows it: never with its key.
type Account struct {
	ID         string `json:"id"`
	Project    string `json:"project"`
	Name       string `json:"name"`
	KeyID      string `json:"key_id"`
	CreatedAt  int64  `json:"created_at"`
	LastUsedAt *int64 `json:"last_used_at"`
	// FirstUsedMS is the time of the first call with the key, in milliseconds since 1970; 0 before it.
	FirstUsedMS int64 `json:"first_used_ms"`
}

// EndedKey is a key that was deleted with its account: whether two keys overlapped is seen from their times.
type EndedKey struct {
	KeyID       string `json:"key_id"`
	FirstUsedMS int64  `json:"first_used_ms"`
	EndedMS     int64  `json:"ended_ms"`
}

// AdminKey is an admin API key as the control API shows it: never with its value.
type AdminKey struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	CreatedAt  int64  `json:"created_at"`
	LastUsedAt *int64 `json:"last_used_at"`

	redacted string
}

// digest stands for a key value everywhere after its creation: values are not kept, and a
// look-up by digest takes the same time whatever prefix of a value was guessed.
type digest [sha256.Size]byte

func digestOf(value string) digest { return sha256.Sum256([]byte(value)) }

type accountRecord struct {
	Account
	seq int64
	key digest
}

type adminRecord struct {
	AdminKey
	seq int64
	key digest
}

// organization is the whole state behind the API; every field is guarded by mu.
type organization struct {
	id string

	mu         sync.Mutex
	seq        int64
	projects   map[string]*Project
	accounts   map[string]*accountRecord
	accountKey map[digest]*accountRecord
	admins     map[string]*adminRecord
	adminKey   map[digest]*adminRecord
	ended      []EndedKey
}

func newOrganization(id string) *organization {
	return &organization{
		id:         id,
		projects:   map[string]*Project{},
		accounts:   map[string]*accountRecord{},
		accountKey: map[digest]*accountRecord{},
		admins:     map[string]*adminRecord{},
		adminKey:   map[digest]*adminRecord{},
	}
}

func (o *organization) next() int64 { o.seq++; return o.seq }

func (o *organization) putProject(p Project) Project {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old := o.projects[p.ID]; old != nil {
		p.CreatedAt = old.CreatedAt
	} else {
		p.CreatedAt = time.Now().Unix()
	}
	if p.Status == "archived" {
		now := time.Now().Unix()
		p.ArchivedAt = &now
	}
	o.projects[p.ID] = &p
	return p
}

func (o *organization) project(id string) (Project, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.projects[id]
	if p == nil {
		return Project{}, false
	}
	return *p, true
}

func (o *organization) listProjects() []Project {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]Project, 0, len(o.projects))
	for _, p := range o.projects {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Project) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// createAccount makes a service account with one key and returns the key's value, once.
func (o *organization) createAccount(project, name string) (Account, string) {
	value := "sk-svcacct-" + randomText(48)
	o.mu.Lock()
	defer o.mu.Unlock()
	r := &accountRecord{
		Account: Account{
			ID:        "user-" + randomHex(12),
			Project:   project,
			Name:      name,
			KeyID:     "key_" + randomHex(8),
			CreatedAt: time.Now().Unix(),
		},
		seq: o.next(),
		key: digestOf(value),
	}
	o.accounts[r.ID] = r
	o.accountKey[r.key] = r
	return r.Account, value
}

func (o *organization) account(project, id string) (Account, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.accounts[id]
	if r == nil || r.Project != project {
		return Account{}, false
	}
	return r.Account, true
}

func (o *organization) deleteAccount(project, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.accounts[id]
	if r == nil || r.Project != project {
		return false
	}
	delete(o.accounts, id)
	delete(o.accountKey, r.key)
	o.ended = append(o.ended, EndedKey{KeyID: r.KeyID, FirstUsedMS: r.FirstUsedMS, EndedMS: time.Now().UnixMilli()})
	return true
}

func (o *organization) endedKeys() []EndedKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]EndedKey{}, o.ended...)
}

// listAccounts gives accounts in order of creation; project "" means all.
func (o *organization) listAccounts(project string) []Account {
	o.mu.Lock()
	records := make([]accountRecord, 0, len(o.accounts))
	for _, r := range o.accounts {
		if project == "" || r.Project == project {
			records = append(records, *r)
		}
	}
	o.mu.Unlock()
	slices.SortFunc(records, func(a, b accountRecord) int { return cmp.Compare(a.seq, b.seq) })
	all := make([]Account, len(records))
	for i, r := range records {
		all[i] = r.Account
	}
	return all
}

func (o *organization) addAdminKey(id, name, value string) AdminKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := &adminRecord{
		AdminKey: AdminKey{ID: id, Name: name, CreatedAt: time.Now().Unix(), redacted: "sk-admin...***"},
		seq:      o.next(),
		key:      digestOf(value),
	}
	if old := o.admins[id]; old != nil {
		delete(o.adminKey, old.key)
	}
	o.admins[id] = r
	o.adminKey[r.key] = r
	return r.AdminKey
}

func (o *organization) createAdminKey(name string) (AdminKey, string) {
	value := "sk-admin-" + randomText(48)
	return o.addAdminKey("key_"+randomHex(8), name, value), value
}

func (o *organization) admin(id string) (AdminKey, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.admins[id]
	if r == nil {
		return AdminKey{}, false
	}
	return r.AdminKey, true
}

func (o *organization) deleteAdminKey(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.admins[id]
	if r == nil {
		return false
	}
	delete(o.admins, id)
	delete(o.adminKey, r.key)
	return true
}

func (o *organization) listAdminKeys() []AdminKey {
	o.mu.Lock()
	records := make([]adminRecord, 0, len(o.admins))
	for _, r := range o.admins {
		records = append(records, *r)
	}
	o.mu.Unlock()
	slices.SortFunc(records, func(a, b adminRecord) int { return cmp.Compare(a.seq, b.seq) })
	all := make([]AdminKey, len(records))
	for i, r := range records {
		all[i] = r.AdminKey
	}
	return all
}

// keyKind tells what a presented value is.
type keyKind int

const (
	unknownKey keyKind = iota
	adminKey
	accountKey
)

// use says what a value is and, for a live key, notes the time of its use.
func (o *organization) use(value string) (kind keyKind, id string) {
	d, now := digestOf(value), time.Now().Unix()
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.adminKey[d]; r != nil {
		r.LastUsedAt = &now
		return adminKey, r.ID
	}
	if r := o.accountKey[d]; r != nil {
		r.LastUsedAt = &now
		if r.FirstUsedMS == 0 {
			r.FirstUsedMS = time.Now().UnixMilli()
		}
		return accountKey, r.ID
	}
	return unknownKey, ""
}

// look is use without the note.
func (o *organization) look(value string) (kind keyKind, id string) {
	d := digestOf(value)
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.adminKey[d]; r != nil {
		return adminKey, r.ID
	}
	if r := o.accountKey[d]; r != nil {
		return accountKey, r.KeyID
	}
	return unknownKey, ""
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
