// The supervised worker once more, in JavaScript: it counts, and crashes when it is told to.
//
// A message is one line of text, a command and its arguments. Everything that has to outlive a crash is in the state; what is kept in a
// variable is gone after a restart.

import {
  cancelRequest,
  listOutstandingRequests,
  request,
  respondToRequest,
} from 'theater:simple/message-server-host';
import { shutdown } from 'theater:simple/runtime';

const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes ?? new Uint8Array());
const pack = (total, id) => bytes(`total=${total}\nid=${id}\n`);

export const actor = {
  init(state, [id]) {
    return [pack(Number(text(state)), id)];
  },
};

export const messageServerClient = {
  handleSend(state, [message]) {
    return [obey(state, message)[0]];
  },
  handleRequest(state, [, message]) {
    const [next, answer] = obey(state, message);
    return [next, [answer]];
  },
  handleChannelOpen(state) {
    return [state, [{ accepted: false, message: bytes('this actor takes no channels') }]];
  },
  handleChannelMessage(state) {
    return [state];
  },
  handleChannelClose(state) {
    return [state];
  },
};

// What is thrown as a text is an error that the actor reports; anything else is a crash.
function obey(state, message) {
  const fields = Object.fromEntries(
    text(state)
      .split('\n')
      .filter((line) => line)
      .map((line) => line.split('=')),
  );
  let total = Number(fields.total);
  const [command, ...words] = text(message).split(' ');
  const rest = words.join(' ');
  let answer = 'ok';
  switch (command) {
    case 'add':
      total += Number(rest);
      answer = String(total);
      break;
    case 'total':
      answer = String(total);
      break;
    case 'id':
      answer = fields.id;
      break;
    case 'crash':
      throw new Error('told to crash');
    case 'fail':
      throw rest;
    case 'defer':
      return [pack(total, fields.id), undefined];
    case 'outstanding':
      answer = listOutstandingRequests().join('\n');
      break;
    case 'answer':
      answer = done(() => respondToRequest(words[0], bytes(words.slice(1).join(' '))));
      break;
    case 'cancel':
      answer = done(() => cancelRequest(rest));
      break;
    case 'ask':
      answer = done(() => text(request(words[0], bytes(words.slice(1).join(' ')))));
      break;
    case 'print':
      console.log(rest);
      console.error(rest);
      break;
    case 'world': {
      // What WASI shows of the outside: clocks and random numbers, and otherwise nothing.
      const random = [...crypto.getRandomValues(new Uint8Array(8))];
      const hex = random.map((byte) => byte.toString(16).padStart(2, '0')).join('');
      answer = `${Date.now()} ${performance.now()} ${hex} 0`;
      break;
    }
    case 'read':
      answer = 'error: this language has no files here';
      break;
    case 'quit':
      shutdown(rest ? bytes(rest) : undefined);
      break;
    default:
      throw `unknown command: ${command}`;
  }
  return [pack(total, fields.id), bytes(answer)];
}

function done(work) {
  try {
    return work() ?? 'ok';
  } catch (error) {
    return `error: ${error.payload ?? error}`;
  }
}
