// http.js server ADDRESS PORT FILE, http.js client URL FILE OUT: see app_languages.py.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const { pipeline } = require('stream/promises');

async function answer(file, request, response) {
	if (request.method === 'GET') {
		await pipeline(fs.createReadStream(file), response);
		return;
	}
	const hash = crypto.createHash('sha256');
	await pipeline(request, hash);
	response.end(hash.digest('hex'));
}

function ask(url, options, body) {
	return new Promise((resolve, reject) => {
		const request = http.request(url, options, resolve);
		request.on('error', reject);
		if (body) body.pipe(request);
		else request.end();
	});
}

async function one(url, file, out) {
	await pipeline(await ask(url, {}), fs.createWriteStream(out));
	const reply = await ask(url, { method: 'POST' }, fs.createReadStream(file));
	let said = '';
	for await (const piece of reply.setEncoding('utf8')) said += piece;
	return said;
}

const [role, ...args] = process.argv.slice(2);
if (role === 'server') {
	const [address, port, file] = args;
	http.createServer((q, r) => answer(file, q, r)).listen(Number(port), address);
} else {
	const [url, file, out] = args;
	Promise.all([0, 1, 2, 3].map((i) => one(url, file, out + i))).then((hashes) => {
		for (const h of hashes) console.log(h);
	});
}
