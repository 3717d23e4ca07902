-- +goose Up
-- Makes the tables of a new store. Their version is 4: programs before this one made
-- the same tables in four steps, and may open a store that this one has made.
INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1), (2, 1), (3, 1);

-- Times are microseconds since 1970. A parent, idem, ref, queue, flag or email that is
-- absent is NULL, so that the indexes pass over it. What a list leaves out of a record
-- (content) is the last column: those before it are read without it.
CREATE TABLE record (
  kind     TEXT    NOT NULL,
  tenant   TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  rev      INTEGER NOT NULL,
  idem     TEXT,
  ref      TEXT,
  status   TEXT    NOT NULL,
  customer TEXT    NOT NULL,
  created  INTEGER NOT NULL,
  queue    TEXT,
  due      INTEGER NOT NULL,
  owner    TEXT    NOT NULL,
  flag     TEXT, -- what somebody may have to look after
  flagged  INTEGER NOT NULL DEFAULT 0, -- since when
  parent   TEXT, -- kind|id of the record that this one is a child of
  body     BLOB    NOT NULL,
  content  BLOB,
  PRIMARY KEY (kind, tenant, id)
);
CREATE UNIQUE INDEX record_idem ON record (kind, idem) WHERE idem IS NOT NULL;
CREATE UNIQUE INDEX record_ref ON record (kind, ref) WHERE ref IS NOT NULL;
CREATE INDEX record_queue ON record (queue, due) WHERE queue IS NOT NULL;
CREATE INDEX record_list ON record (kind, tenant, created, id);
CREATE INDEX record_status ON record (kind, tenant, status, created, id);
CREATE INDEX record_customer ON record (kind, tenant, customer, created, id) WHERE customer <> '';
CREATE INDEX record_parent ON record (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX record_flag ON record (kind, flag, flagged) WHERE flag IS NOT NULL;

CREATE TABLE feed (
  seq     INTEGER PRIMARY KEY,
  tenant  TEXT    NOT NULL,
  id      TEXT    NOT NULL,
  type    TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  data    BLOB
);
CREATE INDEX feed_tenant ON feed (tenant, seq);

-- A deleted user keeps id, idem and fingerprint, and nothing personal.
-- original is the user as created, once it has changed, for repeats of idem.
CREATE TABLE user (
  tenant      TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  email       TEXT,
  name        TEXT    NOT NULL,
  metadata    BLOB,
  version     INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  updated     INTEGER NOT NULL,
  idem        TEXT,
  fingerprint TEXT    NOT NULL,
  original    BLOB,
  deleted     INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX user_email ON user (tenant, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX user_idem ON user (idem) WHERE idem IS NOT NULL;
CREATE INDEX user_list ON user (tenant, created, id) WHERE deleted = 0;
CREATE INDEX user_traces ON user (created) WHERE idem IS NOT NULL OR deleted = 1;

CREATE TABLE ping (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
